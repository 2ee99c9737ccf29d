// A plugin that does what its config says: the tests of the SDK.
import { Config, Key, Mapping, Memo, Record, batch, count, each, log, setup, Level } from "../index";
export * from "../exports";

let what = "", said = "";
const a = new Key("a"), b = new Key("b"), fresh = new Key("fresh"), again = new Key("fresh");
const upper = new Mapping((s: string): string => {
  count(1, 1);
  return s.toUpperCase();
});
const nothing = new Mapping((_: string): string => "");
const length = new Memo<i32>((s: string): i32 => s.length);

setup((c: Config): void => {
  what = c.string("do");
  said = "";
  if (c.has("s")) said += c.string("s") + "|";
  if (c.has("n")) said += c.number("n").toString() + "|";
  if (c.has("b")) said += c.bool("b").toString() + "|";
  if (c.has("l")) said += c.strings("l").join("+") + "|";
  if (c.has("t")) {
    const t = c.table("t"), keys = t.keys();
    for (let i = 0; i < keys.length; i++) said += keys[i] + "=" + t.get(keys[i]) + "|";
  }
  if (c.has("o")) said += c.object("o").object("p").names.join("+") + "|";
  if (c.has("u")) {
    const u = c.objects("u");
    for (let i = 0; i < u.length; i++) said += u[i].number("factor").toString() + "|";
  }
  if (what == "no") c.refuse("no is not done");
});

each((r: Record): void => {
  if (what == "rename") r.rename(a, b);
  else if (what == "fresh") r.rename(a, fresh);
  else if (what == "replace") {
    r.setLabel(fresh, "1");
    r.rename(a, again);
  } else if (what == "value like a key") { // which looked before, when there was none
    r.has(fresh);
    r.setLabel(b, "fresh");
    r.rename(a, again);
    r.setLabel(fresh, "2");
  } else if (what == "throw") throw new Error("no " + r.name);
  else if (what == "say") log(Level.Info, said);
  else if (what == "set") {
    r.setLabel(fresh, "1");
    r.setLabel(again, r.name + "!");
    r.setLabel(b, "new");
  } else if (what == "remove") {
    r.removeLabel(a);
    r.setLabel(b, "");
  } else if (what == "map") {
    r.mapLabel(a, upper);
    r.mapLabel(b, nothing);
    r.mapName(upper);
    r.mapName(nothing);
    r.derive(fresh, a, upper);
    r.derive(b, a, nothing);
  } else if (what == "values") {
    r.value = r.value * 0.25 + r.ofLabel(length, a, 40) + 100 * r.ofName(length);
    r.text = r.text + "er";
    count(3, 2);
  } else if (what == "emit") {
    const e = r.emit();
    e.name = "copy";
    e.setLabel(fresh, "1");
    r.emit().drop();
    r.emit().fail("nobody sees this");
    if (r.value == 3) r.drop();
  } else if (what == "fail") {
    if (r.value == 3) r.fail("three");
  } else if (what == "refuse") {
    batch.refuse("no " + r.name);
    r.fail("too");
  } else if (what == "many") {
    for (let i = 0; i < 8; i++) r.emit();
  } else if (what == "garbage") {
    let s = "";
    for (let i: u32 = 0; i < r.labels; i++) s += r.nameAt(i) + r.valueAt(i) + r.label(a) + batch.now().toString();
    if (s == "never" || batch.replay() || batch.dryRun() || batch.sequence() == 0) r.drop();
  }
});
