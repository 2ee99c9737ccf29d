// Gives series a label that a table in the config says: the tier of a job, say. What ends
// in * in the table stands for all that begins so. A name in full counts most, then the
// longest beginning.
import { Config, Key, Mapping, Record, each, setup } from "../../../../plugins/sdk/assemblyscript";
export * from "../../../../plugins/sdk/assemblyscript/exports";

let from = new Key(""), to = new Key(""), otherwise = "";
let table = new Map<string, string>(), beginnings: string[] = [];

const tiers = new Mapping((value: string): string => {
  if (table.has(value)) return table.get(value);
  let longest = "";
  for (let i = 0; i < beginnings.length; i++) {
    if (beginnings[i].length >= longest.length && value.startsWith(beginnings[i])) longest = beginnings[i];
  }
  return table.has(longest + "*") ? table.get(longest + "*") : otherwise;
});

setup((c: Config): void => {
  from = new Key(c.string("from")), to = new Key(c.string("to"));
  otherwise = c.has("otherwise") ? c.string("otherwise") : "";
  table = c.table("table");
  const names = table.keys();
  if (!names.length) c.refuse("table: has no entry");
  beginnings = [];
  for (let i = 0; i < names.length; i++) if (names[i].endsWith("*")) beginnings.push(names[i].slice(0, -1));
});

each((r: Record): void => {
  r.derive(to, from, tiers);
});
