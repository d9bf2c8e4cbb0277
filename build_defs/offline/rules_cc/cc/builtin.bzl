# SPDX-License-Identifier: BSD-3-Clause
"""A second name for the built-in provider: Starlark refuses "CcInfo = CcInfo" within one file."""

BuiltinCcInfo = CcInfo
