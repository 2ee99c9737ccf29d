// The first plugin of the page plugins/sdk/assemblyscript: gives a label another name, and scales values.
import { Config, Key, Record, each, setup } from "../../../../plugins/sdk/assemblyscript";
export * from "../../../../plugins/sdk/assemblyscript/exports";

let from = new Key(""), to = new Key(""), factor: f64 = 0;

setup((c: Config): void => {
  from = new Key(c.string("from")), to = new Key(c.string("to"));
  factor = c.number("factor");
});

each((r: Record): void => {
  r.rename(from, to);
  r.value *= factor;
});
