#!/usr/bin/env python3
"""Tests of the house check: each rule on a tree that breaks it, and on one that does not."""

import contextlib
import io
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

import house  # noqa: E402
import shapes  # noqa: E402
import walls  # noqa: E402
from rust_text import code_only  # noqa: E402

UNDONE = "TO" + "DO"


def complaints(rule, **files):
    """What a rule says about files; `a__b` stands for the path a/b."""
    tree = house.Tree({name.replace("__", "/") + ".rs": text for name, text in files.items()})
    return [f"{complaint.path}:{complaint.line}" for complaint in rule(tree)]


class CodeOnly(unittest.TestCase):
    def test_comments_and_literals_are_blanked(self):
        for text, code in {
            "a // unsafe\nb": "a          \nb",
            "a /* x /* y */ z */ b": "a                   b",
            'a("x // \\" y") b': "a(           ) b",
            'r#"a " b"# c': "           c",
            "br\"x\" c": "      c",
            "'x' '\\'' b'\"' '\\u{1F600}' c": "                          c",
            "fn f<'a>(x: &'a str) -> &'static str": "fn f<'a>(x: &'a str) -> &'static str",
            'unfinished "string': "unfinished        ",
            "/* unfinished\nlines": "             \n     ",
        }.items():
            self.assertEqual(code_only(text), code)

    def test_lines_stay(self):
        self.assertEqual(code_only('"a\nb"\nc').count("\n"), 2)


class Rules(unittest.TestCase):
    def test_unsafe_only_in_sys(self):
        rule = house.unsafe_stays_in_sys
        self.assertEqual(complaints(rule, src__worker__a="\nunsafe { x() }\n"), ["src/worker/a.rs:2"])
        self.assertEqual(complaints(rule, tests__a="unsafe fn f() {}"), ["tests/a.rs:1"])
        self.assertEqual(complaints(rule, src__sys__a="unsafe { x() }"), [])
        allowed = '//! unsafe\n#![forbid(unsafe_code)]\n#![deny(unsafe_op_in_unsafe_fn)]\n/* unsafe */ "unsafe"'
        self.assertEqual(complaints(rule, src__a=allowed), [])

    def test_mio_only_in_the_worker(self):
        rule = house.mio_stays_in_the_worker
        self.assertEqual(complaints(rule, src__control__a="use mio::Poll;"), ["src/control/a.rs:1"])
        self.assertEqual(complaints(rule, src__lib="// mio\nuse mio::net;"), ["src/lib.rs:2"])
        self.assertEqual(complaints(rule, src__worker__a="use mio::Poll;", bench__src__a="use mio::Poll;"), [])

    def test_no_clock_socket_thread_or_printing_without_io(self):
        rule = house.sans_io
        for text in (
            "use std::time::Instant;",
            "let t = std::time::SystemTime::now();",
            "use std::time::{Duration, Instant};",
            "use std::net::TcpStream;",
            "use std::{fmt, net::SocketAddr};",
            "use std::{\n    io,\n    thread,\n};",
            "std::thread::sleep(x);",
            "println!();",
            "eprint!();",
        ):
            self.assertTrue(complaints(rule, src__ws__a=text), text)
            self.assertTrue(complaints(rule, src__http__a=text), text)
            self.assertFalse(complaints(rule, src__worker__a=text), text)
        fine = "use std::time::Duration;\nuse std::{fmt, mem};\nuse crate::internet;\n// println!\n/// std::net"
        self.assertEqual(complaints(rule, src__ws__a=fine), [])

    def test_safe_rooms_forbid_unsafe_code(self):
        rule = house.unsafe_is_forbidden
        self.assertEqual(complaints(rule, src__ws__mod="//! Doc.\nmod a;"), ["src/ws/mod.rs:1"])
        self.assertEqual(complaints(rule, src__ws__mod="//! #![forbid(unsafe_code)]"), ["src/ws/mod.rs:1"])
        self.assertEqual(complaints(rule, src__hub__a=""), ["src/hub/mod.rs:1"])
        self.assertEqual(complaints(rule, src__ws__mod="//! Doc.\n#![forbid(unsafe_code)]\nmod a;"), [])

    def test_long_files(self):
        rule = house.file_length
        self.assertEqual(complaints(rule, src__a="\n" * 601), ["src/a.rs:601"])
        self.assertEqual(complaints(rule, src__a="\n" * 600), [])
        script = house.Tree({"scripts/a": "#!/bin/sh\n" * 601, "a.md": "\n" * 999})
        self.assertEqual([complaint.path for complaint in rule(script)], ["scripts/a"])
        client = house.Tree({f"clients/a{suffix}": "\n" * 601 for suffix in (".js", ".mjs", ".d.ts", ".c", ".json")})
        longest = ["clients/a.js", "clients/a.mjs", "clients/a.d.ts", "clients/a.c"]
        self.assertEqual([complaint.path for complaint in rule(client)], longest)
        self.assertEqual(house.long_files(house.Tree({"a.rs": "\n" * 301, "b.rs": "\n" * 300})), ["a.rs: 301 lines"])

    def test_white_space(self):
        rule = house.white_space
        self.assertEqual(complaints(rule, a="a\t\n", b="b \n", c="c"), ["a.rs:1", "a.rs:1", "b.rs:1", "c.rs:1"])
        self.assertEqual(complaints(rule, a="a\n\nb\n", empty=""), [])

    def test_nothing_undone(self):
        rule = house.nothing_undone
        self.assertEqual(complaints(rule, a=f"\n// {UNDONE}: later\n"), ["a.rs:2"])
        self.assertEqual(complaints(rule, a=f"{UNDONE}S mktemp {'X' * 6}"), [])

    def test_long_functions(self):
        rule = house.function_length
        long = "fn long(a: [u8; 2]) {\n" + "    { a() }\n" * 69 + "}\n"
        self.assertEqual(complaints(rule, src__a="fn short() {}\n\n" + long), ["src/a.rs:3"])
        self.assertEqual(complaints(rule, src__a=long.replace("    { a() }\n", "", 1)), [])
        self.assertEqual(complaints(rule, src__a="#[cfg(test)]\nmod tests {\n" + long + "}"), [])

    def test_rooms_import_those_below_them(self):
        rule = walls.walls
        allowed = "use std::io;\nuse super::record::Record;\nuse crate::{base::pool::Pool, ws::{Decoder, deflate::Terms}};\n"
        self.assertEqual(complaints(rule, src__worker__table__a=allowed), [])
        above = "use std::io;\n\npub(crate) use crate::{\n    base::pool::Pool,\n    worker::stream::Streams,\n};\n"
        self.assertEqual(complaints(rule, src__worker__table__a=above), ["src/worker/table/a.rs:3"])
        self.assertEqual(complaints(rule, src__worker__stream__mod="use super::sessions::Flow;"), ["src/worker/stream/mod.rs:1"])
        self.assertEqual(complaints(rule, src__base__a="// use crate::hub;\nuse crate::hub::Hub;"), ["src/base/a.rs:2"])
        self.assertEqual(complaints(rule, src__base__a="#[cfg(test)]\nmod tests {\n    use crate::hub::Hub;\n}"), [])

    def test_rooms_of_the_hub_reach_offsets_and_history_through_the_broker_alone(self):
        rule = walls.walls
        seam = "use crate::hub::broker::{Broker, messages::Delivery};\nuse crate::hub::publication::Publication;\n"
        self.assertEqual(complaints(rule, src__hub__core__a=seam), [])
        for wrong in ("crate::hub::broker::history::History", "crate::hub::broker::local::LocalBroker", "crate::hub::handler::HubHandler"):
            self.assertEqual(complaints(rule, src__hub__core__a=f"use {wrong};"), ["src/hub/core/a.rs:1"])
        for wrong in ("crate::hub::core::topic::Topic", "crate::hub::dialect::Dialect", "crate::worker::Connections", "crate::hub::shared::HubShared"):
            self.assertEqual(complaints(rule, src__hub__broker__a=f"use {wrong};"), ["src/hub/broker/a.rs:1"])
        for wrong in ("crate::hub::core::topic::Topic", "crate::hub::broker::messages::Delivery", "crate::hub::publication::Publication"):
            self.assertEqual(complaints(rule, src__hub__dialect__a=f"use {wrong};"), ["src/hub/dialect/a.rs:1"])

    def test_files_import_each_other_in_no_circle(self):
        rule = walls.circles
        three = {"src__worker__app__a": "use super::b::B;", "src__worker__app__b": "use super::{c::C, d};", "src__worker__app__c": "\nuse super::a::A;"}
        self.assertEqual(complaints(rule, **three), ["src/worker/app/a.rs:1"])
        self.assertEqual(complaints(rule, **three | {"src__worker__app__c": "use super::d::D;", "src__worker__app__d": "use std::io;"}), [])
        for room in ("control", "control__admin", "metrics", "settings"):
            two = {f"src__{room}__a": "use super::b::B;", f"src__{room}__b": "use super::a::A;"}
            self.assertEqual(complaints(rule, **two), [f"src/{room.replace('__', '/')}/a.rs:1"])
        through = {"src__worker__app__mod": "pub use a::A;", "src__worker__app__a": "use super::A;"}
        self.assertEqual(complaints(rule, **through), [])

    def test_nobody_below_imports_the_loop(self):
        rule, use = walls.walls, "use super::core::Worker;"
        self.assertEqual(complaints(rule, src__worker__close=use), ["src/worker/close.rs:1"])
        self.assertEqual(complaints(rule, src__worker__core__drain=use.replace("core", "worker"), src__worker__mod="pub(crate) use core::Worker;"), [])

    def test_types_have_so_many_fields(self):
        rule = shapes.number_of_fields
        fields = ["    pub(crate) a: HashMap<u8, [u8; 2]>,", *(f"    f{number}: fn(u8, u8) -> u8," for number in range(shapes.MOST_FIELDS))]
        most, more = ("struct S<T: Into<u8>> {\n" + "\n".join(some) + "\n}\n" for some in (fields[1:], fields))
        self.assertEqual(complaints(rule, src__a=most, src__b="\n" + more), ["src/b.rs:2"])
        self.assertEqual(complaints(rule, src__a__tests__b=more, src__c="#[cfg(test)]\nmod tests {\n" + more + "}\n"), [])
        self.assertEqual(len(complaints(rule, src__lib=most)), len(shapes.TABLES), "an exception of no use")

    def test_no_public_function_takes_a_bool(self):
        rule = shapes.no_public_bool_parameters
        self.assertEqual(complaints(rule, src__a="\npub const fn f(a: u8, b: bool) {}\n"), ["src/a.rs:2"])
        fine = "pub(crate) fn f(b: bool) {}\nfn g(b: bool) {}\npub fn h(b: &mut bool, c: fn(u8) -> bool) -> bool {}\n"
        self.assertEqual(complaints(rule, src__a=fine), [])

    def test_modules_begin_with_their_doc_line(self):
        rule = house.every_module_says_what_it_is
        self.assertEqual(complaints(rule, src__a="fn f() {}\n", src__b="//! B.\n", tests__c=""), ["src/a.rs:1"])

    def test_dependencies_of_every_kind_are_found(self):
        manifest = """
[workspace.dependencies]
unused = "1"
[package]
name = "x"
[dependencies]
one = "1"
two.workspace = true
# three = "1"
[dependencies.four]
version = "1"
[dev-dependencies]
five = { version = "1" }
[target.'cfg(unix)'.dependencies]
six = "1"
[features]
serve = ["dep:one"]
"""
        self.assertEqual([name for _, name in house.dependencies(manifest)], ["one", "two", "four", "five", "six"])

    def test_dependencies_are_explained(self):
        manifest = '[dependencies]\nmio = "1"\nslab = "1"\n'
        rule = house.dependencies_are_explained
        missing = list(rule(house.Tree({"Cargo.toml": manifest})))
        self.assertEqual([complaint.path for complaint in missing], ["docs/ARCHITECTURE.md"])
        explained = {"Cargo.toml": manifest, "docs/ARCHITECTURE.md": "`mio` polls. tokio-slab is not slabs."}
        self.assertEqual([complaint.line for complaint in rule(house.Tree(explained))], [3])


class WholeTree(unittest.TestCase):
    def test_the_repository_can_be_read(self):
        tree = house.read_tree(Path(__file__).resolve().parents[3])
        self.assertIn("scripts/lib/house.py", tree.files)
        self.assertIn("scripts/c1m", tree.files)
        self.assertIn("clients/js/throng.js", tree.files)
        self.assertNotIn("Cargo.lock", tree.files)

    def test_a_folder_without_sources_is_an_error(self):
        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(house.main(Path(__file__).resolve().parent / "nowhere"), 1)
        self.assertIn("no Rust files", said.getvalue())


if __name__ == "__main__":
    unittest.main()
