# SPDX-License-Identifier: BSD-3-Clause
load("//cc:builtin.bzl", "BuiltinCcInfo")

CcInfo = BuiltinCcInfo
