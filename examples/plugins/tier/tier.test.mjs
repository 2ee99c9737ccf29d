import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { load } from "../../../plugins/sdk/assemblyscript/testing.mjs";

const plugin = await load(readFileSync(new URL("./tier.wasm", import.meta.url)));

test("a name in full counts most, then the longest beginning", () => {
  plugin.init({ from: "job", to: "tier", table: { "pay*": "gold", "pay-test*": "none", payroll: "silver" } });
  const jobs = ["pay-1", "pay-test-1", "payroll", "pa", ""];
  const out = plugin.transform(jobs.map((job) => ({ name: "m", labels: { job }, value: 1 })));
  assert.deepEqual(out.samples.map((s) => s.labels.tier), ["gold", "none", "silver", undefined, undefined]);
  plugin.init({ from: "job", to: "tier", table: { a: "b", "*": "any" } });
  assert.deepEqual(plugin.transform([{ name: "m", labels: { job: "x" }, value: 1 }]).samples[0].labels.tier, "any");
});

test("a table that says nothing is refused", () => {
  assert.equal(plugin.init({ from: "job", to: "tier", table: {} }).reason, "config: table: has no entry");
  assert.equal(plugin.init({ from: "job", to: "tier", table: { a: 1 } }).reason, "config: table.a: is a number, must be a string");
  assert.equal(plugin.init({ from: "job", table: { a: "b" } }).reason, "config: to: is missing");
});
