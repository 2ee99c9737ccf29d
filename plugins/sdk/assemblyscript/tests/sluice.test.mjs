import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { encode, load } from "../testing.mjs";

const wasm = readFileSync(new URL("./everything.wasm", import.meta.url));
const samples = [
  { name: "m", labels: { a: "x", z: "x" }, value: 2, time: 7, kind: "counter" },
  { name: "n", labels: { a: "y", b: "x" }, value: 3 },
  { name: "t", labels: {}, kind: "text", text: "warm" },
];

async function run(what, input = samples) {
  const plugin = await load(wasm);
  assert.equal(plugin.init({ do: what }).reason, "");
  return plugin.transform(input);
}

const labels = (out) => out.samples.map((s) => s.labels);

test("a batch that is not touched stays", async () => {
  const out = await run("nothing");
  assert.deepEqual(out.samples, samples.map((s, source) => ({ ...s, source })));
});

test("labels", async () => {
  assert.deepEqual(labels(await run("rename")), [{ b: "x", z: "x" }, { b: "y" }, {}]);
  assert.deepEqual(labels(await run("fresh")), [{ fresh: "x", z: "x" }, { fresh: "y", b: "x" }, {}]);
  assert.deepEqual(labels(await run("replace")), [{ fresh: "x", z: "x" }, { fresh: "y", b: "x" }, { fresh: "1" }]);
  assert.deepEqual(labels(await run("value like a key")), [{ z: "x", b: "fresh", fresh: "2" }, { b: "fresh", fresh: "2" }, { b: "fresh", fresh: "2" }]);
  assert.deepEqual(labels(await run("set")), [{ a: "x", z: "x", b: "new", fresh: "m!" }, { a: "y", b: "new", fresh: "n!" }, { b: "new", fresh: "t!" }]);
  assert.deepEqual(labels(await run("remove")), [{ z: "x" }, {}, {}]);
});

test("what a plugin throws is told, with where", async () => {
  await assert.rejects(run("throw"), /the plugin aborted: no m \(tests\/everything\.ts:\d+:\d+\)/);
});

test("what is worked out for a string is worked out once per batch", async () => {
  const plugin = await load(wasm);
  plugin.init({ do: "map" });
  for (const value of ["x", "yy", "ü"]) {
    const out = plugin.transform(samples.concat({ name: "m", labels: { a: value }, value: 1 }));
    assert.deepEqual(labels(out), [{ a: "X", z: "x", fresh: "X" }, { a: "Y", fresh: "Y" }, {}, { a: value.toUpperCase(), fresh: value.toUpperCase() }]);
    assert.deepEqual(out.samples.map((s) => s.name), ["M", "N", "T", "M"]);
    assert.deepEqual(out.counted, { 1: value === "x" ? 8 : 10 }); // m n t x y, X Y, "" where a is not there; the other value and what it became
  }
});

test("names, values and texts", async () => {
  const out = await run("values");
  assert.deepEqual(out.samples.map((s) => s.value ?? s.text), [101.5, 101.75, "warmer"]);
  assert.deepEqual(out.counted, { 3: 6 });
});

test("drop and emit", async () => {
  const out = await run("emit");
  assert.deepEqual(out.samples.map((s) => [s.name, s.source]), [["m", 0], ["t", 2], ["copy", 0], ["copy", 1], ["copy", 2]]);
  assert.deepEqual(labels(out), [{ a: "x", z: "x" }, {}, { a: "x", z: "x", fresh: "1" }, { a: "y", b: "x", fresh: "1" }, { fresh: "1" }]);
});

test("fail and refuse", async () => {
  const failed = await run("fail");
  assert.deepEqual([failed.code, failed.failed, failed.samples.length], [3, { 1: "three" }, 2]);
  const refused = await run("refuse");
  assert.deepEqual([refused.code, refused.reason, refused.samples], [4, "no m", []]);
  assert.equal((await run("many")).reason, "more records than a batch may become");
});

test("config", async () => {
  const plugin = await load(wasm);
  const json = '{"do":"say","s":"a\\"\\\\\\u00e9\\ud83d\\ude00","n":-1.5e-3,"b":true,"l":["x","y"],"t":{"k":"v"},"o":{"p":{"q":null}},"u":[{"factor":0},{"factor":1024}]}';
  assert.equal(plugin.init(json).code, 0);
  assert.equal(plugin.transform(samples.slice(0, 1)).logged[0], 'a"\\é😀|-0.0015|true|x+y|k=v|q|0.0|1024.0|');
  assert.equal(plugin.init('{"do":"say","s":"\\ud83dx\\udc00\\ud83d\\u0041\\ud83d","t":{"\\udfff":"\\ud800"}}').code, 0);
  assert.equal(plugin.transform(samples.slice(0, 1)).logged[0], "\ufffdx\ufffd\ufffdA\ufffd|\ufffd=\ufffd|", "half a surrogate pair");
  for (const n of ["0", "-0.25", "1e22", "1e-22", "2.5E+2", "123456789012345", "94504107528877171577520296431753332685950423", "1e-400", `1${"0".repeat(400)}e-400`]) {
    assert.equal(plugin.init(`{"do":"say","n":${n}}`).code, 0);
    const got = Number(plugin.transform(samples.slice(0, 1)).logged[0].slice(0, -1));
    assert.ok(n.length < 20 ? got === Number(n) : Math.abs(got - Number(n)) <= 4e-15 * Number(n), `${n} is read as ${got}`);
  }
  for (const [bad, want] of [
    [{}, "config: do: is missing"], [{ do: 1 }, "config: do: is a number, must be a string"], [{ do: "no" }, "config: no is not done"],
    [{ do: "x", l: ["", true] }, "config: l[1]: is a boolean, must be a string"], [{ do: "x", t: { x: [] } }, "config: t.x: is a list, must be a string"],
    [{ do: "x", o: { p: 1 } }, "config: o.p: is a number, must be an object"], [{ do: "x", u: [null] }, "config: u[0]: is null, must be an object"], [[], "config: must be an object"],
  ]) assert.deepEqual([plugin.init(bad).code, plugin.init(bad).reason], [1, want]);
  for (const bad of ["", "{", '{"a":1', '{"a":01}', '{"a":1.}', '{"a":-}', '{"a":1,}', '{"a" 1}', '{"a":1}}', '{"a":"\\u12g4"}', '{"a":"\\x"}', '{"a":"\n"}',
    '{"a":tru}', '{"a":[1 2]}', '{"a":"\\', "{1:2}", '{"a":1e400}', "[".repeat(200)]) assert.match(plugin.init(bad).reason, /^config: is not JSON at character/, bad);
});

test("a block that is no batch", async () => {
  const plugin = await load(wasm), good = encode(samples);
  assert.equal(plugin.raw(good).answer, 2, "a batch before a config");
  plugin.init({ do: "nothing" });
  assert.equal(plugin.raw(good).answer, 0);
  for (const at of [0, 4, 36, 60]) {
    const bad = good.slice();
    bad[at]++;
    assert.equal(plugin.raw(bad).answer, 2, `byte ${at}`);
  }
  assert.equal(plugin.raw(good.slice(0, 40)).answer, 2);
});

test("memory stays bounded", async () => {
  const plugin = await load(wasm), many = Array.from({ length: 1000 }, (_, i) => ({ name: "m", labels: { a: `${i}` }, value: i }));
  plugin.init({ do: "garbage" });
  for (let i = 0; i < 20; i++) plugin.transform(many);
  const after = plugin.memory();
  for (let i = 0; i < 200; i++) plugin.transform(many);
  assert.ok(plugin.memory() <= 2 * after, `${after} bytes became ${plugin.memory()}`);
});
