# SPDX-License-Identifier: BSD-3-Clause
"""What fastmem must say of each misuse, whole: by level, face, size and thread."""
import collections

FACES = ("C", "C++", "rte")
ALL = ("small", "large")
BOTH = ("same", "other")

# name: for people; the objects and the threads that it is tried with; the faces that have it.
Misuse = collections.namedtuple("Misuse", "title sizes threads faces", defaults=[("small",), ("same",), FACES])
MISUSES = {
    "double-free": Misuse("double free", ALL, BOTH),
    "foreign-stack": Misuse("free of what is on the stack"),
    "foreign-libc": Misuse("free of memory of the C library"),
    "foreign-heap": Misuse("free of another heap's object"),
    "foreign-unmapped": Misuse("free of where nothing is mapped"),
    "inner-pointer": Misuse("free of a pointer into an object", ALL, BOTH),
    "wrong-size": Misuse("free with a wrong size", ALL, BOTH, ("C", "C++")),
    "wrong-handle": Misuse("free by a wrong handle", ALL, BOTH),
    "wrong-in-bulk": Misuse("a foreign pointer in a bulk free", ALL, BOTH),
    "overrun": Misuse("overrun by one byte", ALL, BOTH),
    "underrun": Misuse("underrun by one byte", ALL, BOTH),
    "write-after-free": Misuse("write after free", ALL, BOTH),
    "pinned-free": Misuse("free of what a device has", ALL, BOTH, ("C", "C++")),
    "early-use": Misuse("use of a handle before there is a heap", ("small",), ("same",), ("C", "rte")),
    "late-use": Misuse("use of a heap after it is gone"),
    "leak": Misuse("leak", ALL),
}

# A misuse, as it is committed through a face.
Case = collections.namedtuple("Case", "misuse size thread face level")


def exists(case):
    """rte_fastmem.h serves nothing above 1 MiB."""
    return case.face in MISUSES[case.misuse].faces and not (case.face == "rte" and case.size == "large")


def needs_one_node(case):
    """Where there are more the address tells the node, and with it the class: a wrong size does no harm."""
    return case.misuse == "wrong-size" and case.size == "small" and case.level == "off"


# ---- the reports -----------------------------------------------------------------------------------------------------

# The step before which a report must come; fatal: the fault ends the program.
Said = collections.namedtuple("Said", "after text fatal", defaults=[False])
NOTHING = Said("", "")

FRAMES = "    #N <frame>\n"
GUARD, POISON, FILLED = "a5", "de", "11"
LEFT = "00"  # what fresh memory holds


def bytes_of(case):
    return 100 if case.size == "small" else 3 << 20


def slot(case):
    return 1 if case.thread == "same" else 2


def cell(case):
    """The class that holds the object with its guards."""
    if case.size == "large":
        return 0
    return 256 if case.face == "rte" else 144


def plain_class(case):
    return 128 if case.face == "rte" else 112


def lines(*parts):
    return "".join("fastmem: " + line + "\n" for part in parts for line in part.splitlines())


def around(before, after):
    return "  bytes around <address>: %s [00] %s\n" % (" ".join(before), " ".join(after))


def of_object(case, kind, sentence, damage=0, around="", freed_by=0):
    """A full report: the sentence, who had the object, the bytes, the stacks, the line for machines."""
    history = "  class %d, node <node>, heap <address>; allocated by slot 1 <age> ago%s; noticed by slot %d\n" % (
        cell(case), ", freed by slot %d <age> ago" % freed_by if freed_by else "", noticed_by(case, kind))
    machine = ("  misuse: kind=%s address=<address> object=<address> size=%d class=%d node=<node> heap=<address>"
               " damage=%d allocated-by=1 allocated-ago=<age> noticed-by=%d" %
               (kind, bytes_of(case), cell(case), damage, noticed_by(case, kind)))
    return lines(sentence, history, around, "  allocated at:\n" + FRAMES, "  freed at:\n" + FRAMES if freed_by else "",
                 "  noticed at:\n" + FRAMES, machine + (" freed-by=%d freed-ago=<age>" % freed_by if freed_by else ""))


def noticed_by(case, kind):
    """A write beside an object is the first thread's, whoever frees it."""
    return 1 if kind == "access-beyond" else slot(case)


def of_nothing(kind, sentence, heap="<address>", address="(nil)", size=0, more="", stack="  noticed at:\n" + FRAMES):
    """A full report of what is no object."""
    machine = "  misuse: kind=%s address=%s object=(nil) size=%d class=0 node=-1 heap=%s damage=0%s"
    return lines(sentence, stack, machine % (kind, address, size, heap, more))


# ---- level off -------------------------------------------------------------------------------------------------------


def off(case):
    """What reaches a slab is verified there; large objects have no cache on their way."""
    large = case.size == "large"
    foreign = Said("free", lines("foreign pointer freed: <address> is not an object of this heap"))
    if case.misuse.startswith("foreign-") or case.misuse == "wrong-in-bulk":
        return foreign
    if case.misuse in ("double-free", "inner-pointer") and large:
        return foreign
    if case.misuse == "wrong-handle" and large:
        return foreign._replace(after="flush")  # it was put into a cache
    place = "class %d, node <node>" % plain_class(case)
    if case.misuse == "double-free":
        return Said("flush", lines("double free: <address>, %s, was free already" % place))
    if case.misuse == "inner-pointer":
        return Said("flush", lines("inner pointer freed: <address> lies inside an object of " + place))
    if case.misuse == "wrong-handle" or (case.misuse == "wrong-size" and not large):
        claimed = 512 if case.misuse == "wrong-handle" else 208
        return Said("flush", lines("freed with a wrong size or handle: <address> as class %d, node <node>; "
                                   "it is of %s" % (claimed, place)))
    if case.misuse == "late-use" and case.face != "rte":
        return Said("", "", fatal=True)  # its memory is gone, and nobody knows whose it was
    return NOTHING


# ---- level full ------------------------------------------------------------------------------------------------------

WHERE = {
    "foreign-stack": "it is on this thread's stack",
    "foreign-libc": "it is memory of the C library's heap",
    "foreign-heap": "it is memory of heap <address>",
    "foreign-unmapped": "nothing is mapped there",
}


def full(case):
    large = case.size == "large"
    n = bytes_of(case)
    object_of = "<address>, %d bytes" % n

    def freed(kind, sentence, **more):
        return Said("free", of_object(case, kind, sentence, **more))

    def fault(after, kind, what, at, freed_by=0):
        sentence = "%s: <address>, byte %d of the object <address> of %d bytes" % (what, at, n)
        return Said(after, of_object(case, kind, sentence, at, "", freed_by), fatal=True)

    def foreign(where, place="", more=""):
        sentence = "foreign pointer freed: <address> is not an object of this heap; %s%s" % (where, place)
        return Said("free", of_nothing("foreign-free", sentence, address="<address>", more=more))

    if case.misuse == "foreign-heap" and case.face == "rte":
        return foreign("it lies in memfd:nohuge (deleted)")  # rte_malloc()'s
    if case.misuse in WHERE:
        return foreign(WHERE[case.misuse])
    if case.misuse == "wrong-in-bulk":
        where = {"C": "it lies in c_program", "C++": "it lies in cpp_program",
                 "rte": "it is other memory of this process"}
        return foreign(where[case.face], " (pointer 2 of 5 in a bulk)", " index=2 count=5")
    if case.misuse == "double-free":
        return freed("double-free", "double free: %s, was free already" % object_of, freed_by=1)
    if case.misuse == "inner-pointer":
        return freed("inner-free", "inner pointer freed: <address> is %d bytes from the start of the object <address> "
                     "of %d bytes" % (n // 2, n))
    if case.misuse == "wrong-size":
        return freed("wrong-size", "freed with a wrong size: <address> as %d bytes, it has %d" % (2 * n, n))
    if case.misuse == "wrong-handle":
        return freed("wrong-handle", "freed with a wrong handle: <address> as one of class 512, it has %d bytes" % n)
    if case.misuse == "pinned-free":
        return freed("pinned-free", "freed while lent to a device: %s, pinned 1 times" % object_of)
    if case.misuse == "overrun":
        if large:
            return fault("", "access-beyond", "access out of bounds", n)
        return freed("overrun", "overrun: %s: byte 1 behind its end was written" % object_of, damage=n,
                     around=around([FILLED] * 16, [GUARD] * 15))
    if case.misuse == "underrun":
        if large:
            return fault("", "access-beyond", "access out of bounds", -1)
        # Alignment leaves room between the guard and the object before.
        before = [LEFT] * (case.face == "rte") + [GUARD] * 15
        return freed("underrun", "underrun: %s: byte 1 before its start was written" % object_of, damage=-1,
                     around=around(before, [FILLED] * 15))
    if case.misuse == "write-after-free":
        if large:
            return fault("free", "access-after-free", "access after free", n // 2, freed_by=slot(case))
        sentence = "write after free: %s: its byte %d was written after it was freed" % (object_of, n // 2)
        return Said("flush", of_object(case, "write-after-free", sentence, n // 2, around([POISON] * 16, [POISON] * 15),
                                       freed_by=slot(case)))
    if case.misuse == "leak":
        total = "leaks: 1 objects of %d bytes in all were not freed; heap <address>\n" % n
        return Said("end", of_nothing("leak", total + "  1 objects, %d bytes" % n, size=n, more=" index=0 count=1",
                                      stack="  allocated at:\n" + FRAMES))
    if case.misuse == "late-use" and case.face != "rte":
        return Said("", of_nothing("dead-heap", "heap used after it was destroyed: heap <address>", stack=""))
    return Said("", of_nothing("dead-heap", "heap used before there is one", heap="(nil)", stack=""))


# What FASTMEM_CHECK says of a level, and what must be said there.
Level = collections.namedtuple("Level", "check expected")
LEVELS = {
    "off": Level("off", off),
    "full": Level("full", full),
}
