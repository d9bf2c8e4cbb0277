# SPDX-License-Identifier: BSD-3-Clause
cc_binary = native.cc_binary
