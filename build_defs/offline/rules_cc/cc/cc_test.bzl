# SPDX-License-Identifier: BSD-3-Clause
cc_test = native.cc_test
