const enum K { Null, Boolean, Number, Text, List, Object }

const words: StaticArray<string> = ["null", "a boolean", "a number", "a string", "a list", "an object"];

class Value {
  kind: K = K.Null;
  number: f64 = 0; // 1 for true
  text: string = "";
  names: string[] = []; // of an object's fields
  items: Value[] = [];
}

class Fault {
  text: string | null = null;
}

// Config is the config of a use of the plugin, or an object in it. Sluice has checked it
// against the schema of the manifest before. A field that is asked for and is missing or
// of another kind makes the config refused, and the answer a zero value: so a setup reads
// what it needs, and need not look for errors.
export class Config {
  constructor(private value: Value, private path: string, private first: Fault) {}

  // fault is the first reason why the config is refused.
  get fault(): string | null { return this.first.text; }

  // refuse says that the config is not one the plugin can work with.
  refuse(reason: string): void {
    if (!this.first.text) this.first.text = "config: " + (this.path.length ? this.path + ": " : "") + reason;
  }

  // has tells whether a field is there and not null.
  has(name: string): bool {
    const v = this.field(name);
    return v != null && v.kind != K.Null;
  }

  // names are those of the fields, as written.
  get names(): string[] { return this.value.names; }

  string(name: string): string { return this.get(name, K.Text).text; }
  number(name: string): f64 { return this.get(name, K.Number).number; }
  bool(name: string): bool { return this.get(name, K.Boolean).number != 0; }
  object(name: string): Config { return this.at(name, this.get(name, K.Object)); }

  strings(name: string): string[] {
    const items = this.get(name, K.List).items, out: string[] = [];
    for (let i = 0; i < items.length; i++) out.push(this.at(name + "[" + i.toString() + "]", items[i]).is(K.Text).text);
    return out;
  }

  // table returns a field that is an object of strings.
  table(name: string): Map<string, string> {
    const v = this.get(name, K.Object), out = new Map<string, string>();
    for (let i = 0; i < v.items.length; i++) out.set(v.names[i], this.at(name + "." + v.names[i], v.items[i]).is(K.Text).text);
    return out;
  }

  // objects returns a field that is a list of objects.
  objects(name: string): Config[] {
    const items = this.get(name, K.List).items, out: Config[] = [];
    for (let i = 0; i < items.length; i++) {
      const c = this.at(name + "[" + i.toString() + "]", items[i]);
      c.is(K.Object);
      out.push(c);
    }
    return out;
  }

  private field(name: string): Value | null {
    const i = this.value.names.lastIndexOf(name);
    return i < 0 ? null : this.value.items[i];
  }

  private at(name: string, v: Value): Config {
    return new Config(v, this.path.length ? this.path + "." + name : name, this.first);
  }

  private get(name: string, kind: K): Value {
    const v = this.field(name);
    if (v) return this.at(name, v).is(kind);
    this.at(name, new Value()).refuse("is missing");
    return new Value();
  }

  private is(kind: K): Value {
    if (this.value.kind == kind) return this.value;
    this.refuse("is " + words[this.value.kind] + ", must be " + words[kind]);
    return new Value();
  }
}

// parse reads a config.
export function parse(json: string): Config {
  const p = new Parser(json), c = new Config(p.value(0), "", new Fault());
  p.space();
  if (p.wrong || p.at < json.length) c.refuse("is not JSON at character " + p.at.toString());
  else if (p.kind != K.Object) c.refuse("must be an object");
  return c;
}

class Parser {
  at: i32 = 0;
  wrong: bool = false;
  kind: K = K.Null; // of the last value

  constructor(private json: string) {}

  private get here(): i32 { return this.at < this.json.length ? this.json.charCodeAt(this.at) : -1; }

  space(): void {
    for (let c = this.here; c == 32 || c == 9 || c == 10 || c == 13; c = this.here) this.at++;
  }

  private take(c: i32): bool {
    this.space();
    if (this.wrong || this.here != c) return false;
    this.at++;
    return true;
  }

  private must(good: bool): bool {
    if (!good) this.wrong = true;
    return good;
  }

  private word(w: string): bool {
    if (this.json.substr(this.at, w.length) != w) return false;
    this.at += w.length;
    return true;
  }

  value(depth: i32): Value {
    const v = new Value();
    if (!this.must(depth <= 100)) return v;
    if (this.take(0x7b)) {
      v.kind = K.Object;
      this.items(v, 0x7d, depth);
    } else if (this.take(0x5b)) {
      v.kind = K.List;
      this.items(v, 0x5d, depth);
    } else if (this.take(0x22)) {
      v.kind = K.Text;
      v.text = this.string();
    } else if (this.word("true")) {
      v.kind = K.Boolean;
      v.number = 1;
    } else if (this.word("false")) v.kind = K.Boolean;
    else if (!this.word("null")) {
      v.kind = K.Number;
      v.number = this.number();
    }
    this.kind = v.kind;
    return v;
  }

  private items(v: Value, close: i32, depth: i32): void {
    if (this.take(close)) return;
    do {
      if (v.kind == K.Object) {
        if (!this.must(this.take(0x22))) return;
        v.names.push(this.string());
        if (!this.must(this.take(0x3a))) return;
      }
      v.items.push(this.value(depth + 1));
    } while (this.take(0x2c));
    this.must(this.take(close));
  }

  private digits(): bool {
    const from = this.at;
    for (let c = this.here; c >= 0x30 && c <= 0x39; c = this.here) this.at++;
    return this.at > from;
  }

  // number reads a number. Up to 15 digits and powers of ten up to 22 are exact, others to
  // a few units of the last place; parseFloat loses the scale of some that are long.
  private number(): f64 {
    const negative = this.here == 0x2d;
    if (negative) this.at++;
    const from = this.at;
    let good = this.word("0") || this.digits();
    if (this.here == 0x2e) {
      this.at++;
      good = this.digits() && good;
    }
    let digits: u64 = 0, power = 0, fraction = false;
    for (let i = from; i < this.at; i++) {
      const c = this.json.charCodeAt(i);
      if (c == 0x2e) fraction = true;
      else if (digits > (u64.MAX_VALUE - 9) / 10) power += fraction ? 0 : 1;
      else {
        digits = digits * 10 + (c - 0x30);
        power -= fraction ? 1 : 0;
      }
    }
    if ((this.here | 32) == 0x65) {
      this.at++;
      const down = this.here == 0x2d;
      if (down || this.here == 0x2b) this.at++;
      const begin = this.at;
      good = this.digits() && good;
      let exponent = 0;
      for (let i = begin; i < this.at; i++) exponent = min(exponent * 10 + this.json.charCodeAt(i) - 0x30, 100_000);
      power += down ? -exponent : exponent;
    }
    const n = scaled(<f64>digits, power);
    this.must(good && isFinite(n));
    return negative ? -n : n;
  }

  private string(): string {
    let out = "", from = this.at, c = this.here;
    for (; c != 0x22 && this.must(c >= 32); c = this.here) {
      if (c != 0x5c) {
        this.at++;
        continue;
      }
      out += this.json.substring(from, this.at++) + this.escape();
      from = this.at;
    }
    return out + this.json.substring(from, this.at++);
  }

  // escape reads an escape, behind its backslash. Half a surrogate pair is U+FFFD.
  private escape(): string {
    const c = this.here, i = c < 0 ? -1 : "\"\\/bfnrt".indexOf(String.fromCharCode(c));
    this.at++;
    if (i >= 0) return "\"\\/\b\f\n\r\t".charAt(i);
    const first = this.must(c == 0x75) ? this.hex() : 0;
    if (first >> 11 != 0x1b) return String.fromCharCode(first);
    if (first >> 10 == 0x36 && this.json.substr(this.at, 2) == "\\u") {
      const back = this.at;
      this.at += 2;
      const second = this.hex();
      if (second >> 10 == 0x37) return String.fromCharCode(first) + String.fromCharCode(second);
      this.at = back;
    }
    return "\ufffd";
  }

  private hex(): i32 {
    let n = 0;
    for (let j = 0; j < 4; j++, this.at++) {
      const h = this.here, d = h >= 0x30 && h <= 0x39 ? h - 0x30 : (h | 32) >= 0x61 && (h | 32) <= 0x66 ? (h | 32) - 0x57 : -1;
      if (!this.must(d >= 0)) return 0;
      n = (n << 4) | d;
    }
    return n;
  }
}

function scaled(x: f64, power: i32): f64 {
  while (power && x > 0 && isFinite(x)) {
    const step = min(abs(power), 22);
    let ten: f64 = 1;
    for (let i = 0; i < step; i++) ten *= 10;
    x = power < 0 ? x / ten : x * ten;
    power -= power < 0 ? -step : step;
  }
  return x;
}
