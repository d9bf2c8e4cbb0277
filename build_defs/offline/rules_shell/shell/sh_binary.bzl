# SPDX-License-Identifier: BSD-3-Clause
sh_binary = native.sh_binary
