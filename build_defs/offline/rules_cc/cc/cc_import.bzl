# SPDX-License-Identifier: BSD-3-Clause
cc_import = native.cc_import
