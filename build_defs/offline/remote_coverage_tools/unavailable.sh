#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
echo "bazel coverage: the report generator is not part of this offline build" >&2
exit 1
