# SPDX-License-Identifier: BSD-3-Clause
sh_test = native.sh_test
