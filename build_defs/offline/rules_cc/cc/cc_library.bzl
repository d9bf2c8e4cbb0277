# SPDX-License-Identifier: BSD-3-Clause
cc_library = native.cc_library
