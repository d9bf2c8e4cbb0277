# SPDX-License-Identifier: BSD-3-Clause
"""pkg_config_repository: an installed package, seen as an external repository.

@foo holds, whether the package is installed or not:
  @foo//:foo       cc_library with its include folders, defines and link options; when the package is
                   missing, a target whose build fails with the name of the Debian package
  @foo//:detected  build setting, True when the package is there
  @foo//:present   config_setting on that, for select()
  @foo//:defs.bzl  FOUND, VERSION, LIBDIR and COPTS: the flags (-march=, -include) that a cc_library
                   cannot pass on to those that depend on it
"""

_FLAG = """\
def _impl(ctx):
    return []

detected_flag = rule(implementation = _impl, build_setting = config.bool(flag = False))
"""

_HEAD = """\
load("@rules_cc//cc:cc_library.bzl", "cc_library")
load(":flag.bzl", "detected_flag")

package(default_visibility = ["//visibility:public"])

detected_flag(
    name = "detected",
    build_setting_default = {found},
)

config_setting(
    name = "present",
    flag_values = {{":detected": "True"}},
)

"""

_INSTALLED = """\
cc_library(
    name = {name},
    hdrs = glob({globs}, allow_empty = True),
    defines = {defines},
    includes = {includes},
    linkopts = {linkopts},
)
"""

_ABSENT = """\
genrule(
    name = "absent",
    outs = ["absent.h"],
    cmd = "echo >&2 {message}; exit 1",
)

cc_library(
    name = {name},
    hdrs = [":absent"],
)
"""

_DEFS = """\
FOUND = {found}
VERSION = {version}
LIBDIR = {libdir}
COPTS = {copts}
"""

def _output(ctx, command):
    result = ctx.execute(command)
    return result.stdout.strip() if result.return_code == 0 else ""

def _words(text):
    return [word for word in text.replace("\n", " ").split(" ") if word]

def _ask_pkg_config(ctx):
    """None when a module is missing or too old, else what pkg-config says about them."""
    program = ctx.os.environ.get("PKG_CONFIG") or ctx.which("pkg-config") or ctx.which("pkgconf")
    if not program:
        return None
    modules = ctx.attr.modules
    at_least = " >= " + ctx.attr.min_version if ctx.attr.min_version else ""
    if ctx.execute([program, "--exists"] + [m + at_least for m in modules]).return_code != 0:
        return None
    if hasattr(ctx, "watch"):  # newer Bazel then sees a changed .pc file by itself
        for m in modules:
            ctx.watch(_output(ctx, [program, "--variable=pcfiledir", m]) + "/" + m + ".pc")
    return struct(
        cflags = _words(_output(ctx, [program, "--cflags"] + modules)),
        libs = _words(_output(ctx, [program, "--libs"] + modules)),
        version = _output(ctx, [program, "--modversion", modules[0]]),
        libdir = _output(ctx, [program, "--variable=libdir", modules[0]]),
    )

def _find(ctx):
    for header in ctx.attr.headers:
        if not [p for p in ["/usr", "/usr/local"] if ctx.path(p + "/include/" + header).exists]:
            return None
    if ctx.attr.modules:
        return _ask_pkg_config(ctx)
    return struct(cflags = [], libs = [], version = "", libdir = "")

def _sort_cflags(ctx, cflags):
    """Splits cflags; include folders become links inside the repository, as Bazel wants them."""
    includes, defines, copts = [], [], []
    takes_next = None
    for flag in cflags:
        if takes_next == "-isystem" or (not takes_next and flag.startswith("-I")):
            link = "include/%d" % len(includes)
            ctx.symlink(str(ctx.path(flag if takes_next else flag[2:])), link)
            includes.append(link)
            takes_next = None
        elif takes_next:
            copts += [takes_next, flag]
            takes_next = None
        elif flag in ["-isystem", "-include"]:
            takes_next = flag
        elif flag.startswith("-D"):
            defines.append(flag[2:])
        elif flag != "-pthread":
            copts.append(flag)
    return includes, defines, copts

def _contained(libs):
    """Keeps a package's --as-needed from applying to whatever follows it on the link line."""
    if "-Wl,--as-needed" in libs:
        return ["-Wl,--push-state"] + libs + ["-Wl,--pop-state"]
    return libs

def _impl(ctx):
    name = ctx.name.split("~")[-1].split("+")[-1]
    package = _find(ctx)
    ctx.file("WORKSPACE", "")
    ctx.file("flag.bzl", _FLAG)
    if package == None:
        message = "{} is not installed: apt-get install {}".format(name, ctx.attr.apt)
        if not ctx.attr.optional:
            # buildifier: disable=print
            print(message)
        ctx.file("BUILD.bazel", _HEAD.format(found = False) + _ABSENT.format(name = repr(name), message = message))
        ctx.file("defs.bzl", _DEFS.format(found = False, version = "''", libdir = "''", copts = []))
        return
    includes, defines, copts = _sort_cflags(ctx, package.cflags)
    ctx.file("BUILD.bazel", _HEAD.format(found = True) + _INSTALLED.format(
        name = repr(name),
        globs = [folder + "/**" for folder in includes],
        includes = includes,
        defines = defines,
        linkopts = _contained(package.libs),
    ))
    ctx.file("defs.bzl", _DEFS.format(
        found = True,
        version = repr(package.version),
        libdir = repr(package.libdir),
        copts = copts,
    ))

pkg_config_repository = repository_rule(
    implementation = _impl,
    attrs = {
        "apt": attr.string(doc = "the Debian package to name when it is missing"),
        "headers": attr.string_list(doc = "headers that must exist, for packages without a .pc file"),
        "min_version": attr.string(),
        "modules": attr.string_list(doc = "pkg-config modules"),
        "optional": attr.bool(doc = "say nothing when it is missing"),
    },
    configure = True,
    local = True,
    environ = ["PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR"],
)
