# SPDX-License-Identifier: BSD-3-Clause
"""Build settings of the project's own, without bazel_skylib."""

BuildSettingInfo = provider(fields = ["value"])

def _impl(ctx):
    value = ctx.build_setting_value
    if value not in ctx.attr.values:
        fail("{} is one of {}, not {}".format(ctx.label, ", ".join(ctx.attr.values), repr(value)))
    return BuildSettingInfo(value = value)

string_flag = rule(
    implementation = _impl,
    attrs = {"values": attr.string_list(mandatory = True)},
    build_setting = config.string(flag = True),
)
