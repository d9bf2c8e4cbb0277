# SPDX-License-Identifier: BSD-3-Clause
"""The one place where the version is written down."""

VERSION = "0.1.0"
SOVERSION = "0"
