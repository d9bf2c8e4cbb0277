# SPDX-License-Identifier: BSD-3-Clause
"""Stand-ins that keep Bazel 4 off the network.

Even a plain C++ build makes Bazel 4 download rules_cc, rules_java and its coverage programs, unless
repositories of these names are there first. rules_shell is here because newer releases need it for
sh_test. From Bazel 5 on, MODULE.bazel provides them and this file does nothing.
"""

def offline_repos():
    # Debian's package has no version number compiled in: an empty string means 4.
    release = getattr(native, "bazel_version", "") or "4"
    if int(release.split(".")[0]) > 4:
        return
    for name in ["rules_cc", "rules_java", "rules_shell", "remote_coverage_tools"]:
        native.local_repository(
            name = name,
            path = "build_defs/offline/" + name,
        )
