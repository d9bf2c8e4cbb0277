# SPDX-License-Identifier: BSD-3-Clause
"""install_archive(): everything that "./run install" unpacks below the prefix, as one .tar.gz.
cc_archive(): one libfoo.a out of several cc_library targets."""

load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")

def _install_archive_impl(ctx):
    files = {}
    for target, where in ctx.attr.files.items() + ctx.attr.optional_files.items():
        for f in target.files.to_list():
            files[where + f.basename if where.endswith("/") else where] = f
    manifest = ctx.actions.declare_file(ctx.label.name + ".json")
    ctx.actions.write(manifest, json.encode({
        "files": {dest: f.path for dest, f in files.items()},
        "symlinks": dict(ctx.attr.symlinks.items() + ctx.attr.optional_symlinks.items()),
        "public_headers": {f.basename: f.path for f in ctx.files.public_headers},
        "internal_headers": {f.short_path: f.path for f in ctx.files.internal_headers},
    }))
    ctx.actions.run(
        executable = "python3",
        arguments = [ctx.file._pack.path, manifest.path, ctx.outputs.out.path],
        inputs = files.values() + ctx.files.public_headers + ctx.files.internal_headers + [manifest, ctx.file._pack],
        outputs = [ctx.outputs.out],
        mnemonic = "InstallArchive",
        use_default_shell_env = True,
    )
    return [DefaultInfo(files = depset([ctx.outputs.out]))]

install_archive = rule(
    implementation = _install_archive_impl,
    attrs = {
        "files": attr.label_keyed_string_dict(
            allow_files = True,
            doc = "label -> destination below the prefix; one that ends in / keeps the file's name",
        ),
        "internal_headers": attr.label_list(
            allow_files = True,
            doc = "candidates: those that a public header includes go to include/fastmem/<path>",
        ),
        "optional_files": attr.label_keyed_string_dict(allow_files = True, doc = "more files, for a select() of their own"),
        "optional_symlinks": attr.string_dict(doc = "more symlinks, likewise"),
        "out": attr.output(mandatory = True),
        "public_headers": attr.label_list(allow_files = True, doc = "go to include/"),
        "symlinks": attr.string_dict(doc = "link below the prefix -> what it points at"),
        "_pack": attr.label(default = "//build_defs:pack.py", allow_single_file = True),
    },
)

def _cc_archive_impl(ctx):
    objects = []
    for dep in ctx.attr.deps:
        for linker_input in dep[CcInfo].linking_context.linker_inputs.to_list():
            if linker_input.owner.workspace_name:
                continue  # @numa and the like are named in fastmem.pc instead
            for library in linker_input.libraries:
                objects += library.pic_objects or library.objects or []
    args = ctx.actions.args()
    args.add("rcsD", ctx.outputs.out)
    args.add_all(depset(objects))
    ctx.actions.run(
        executable = "/usr/bin/ar",
        arguments = [args],
        inputs = objects,
        outputs = [ctx.outputs.out],
        mnemonic = "CcArchive",
    )
    return [DefaultInfo(files = depset([ctx.outputs.out]))]

cc_archive = rule(
    implementation = _cc_archive_impl,
    attrs = {
        "deps": attr.label_list(providers = [CcInfo]),
        "out": attr.output(mandatory = True),
    },
)
