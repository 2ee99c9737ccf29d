import { Flag, PAIR, Pair, Row } from "./abi";
import { NONE, add, append, came, emit, failed, given, named, pairs, pairsAt, row, strings, text } from "./batch";
import { Key, Mapping, Memo } from "./key";

// Kind is the Flink type of a metric. A histogram and a meter arrive as their parts.
export enum Kind { Gauge, Counter, Meter, Histogram, Text }

// place returns where the label is among those from p on, 0 when it is not.
// @ts-ignore: decorator
@inline
function place(k: Key, p: usize, labels: u32, n: u32): usize {
  const at = p + k.place * PAIR;
  return k.place < labels && changetype<Pair>(at).key == n ? at : scan(k, p, labels, n);
}

// scan looks for it where the record before did not have it.
function scan(k: Key, p: usize, labels: u32, n: u32): usize {
  for (let i: u32 = 0; i < labels; i++, p += PAIR) {
    if (changetype<Pair>(p).key != n) continue;
    k.place = i;
    return p;
  }
  return 0;
}

// Record is one sample of one series. Which of its changes Sluice takes, the manifest
// says; any other fails the batch. It is valid until the function it was given to
// returns.
export class Record {
  private row: Row = changetype<Row>(0);
  private number: i32 = -1; // in the batch; -1: emitted
  private more: Record | null = null;

  // take makes it the record i of the batch.
  // @ts-ignore: decorator
  @inline
  take(i: u32): void {
    this.row = row(i);
    this.number = i;
  }

  // The name of the series. For the same change to many records mapName is faster.
  get name(): string { return text(this.row.name); }
  set name(s: string) { this.row.name = add(s); }

  get kind(): Kind { return this.row.kind; }

  // When the value was measured, Unix ms.
  get time(): i64 { return this.row.time; }

  // The value: 0 for a text, and where the plugin is called for series.
  get value(): f64 { return this.row.kind == Kind.Text ? 0 : this.row.value; }
  set value(v: f64) { if (this.row.kind != Kind.Text) this.row.value = v; }

  // The value of a text, "" for other kinds.
  get text(): string { return this.row.kind == Kind.Text ? text(<u32>reinterpret<u64>(this.row.value)) : ""; }
  set text(s: string) { if (this.row.kind == Kind.Text) this.row.value = reinterpret<f64>(<u64>add(s)); }

  // The number of labels; nameAt and valueAt take 0 ≤ i < labels.
  get labels(): u32 { return this.row.labels; }
  nameAt(i: u32): string { return text(changetype<Pair>(pairs(this.row) + i * PAIR).key); }
  valueAt(i: u32): string { return text(changetype<Pair>(pairs(this.row) + i * PAIR).value); }

  // find returns where the pair of a label is, 0 when there is none.
  // @ts-ignore: decorator
  @inline
  private find(k: Key): usize {
    const n = k.number;
    return this.lacks(n) ? 0 : place(k, pairs(this.row), this.row.labels, n);
  }

  // lacks tells whether the record cannot have a label whose name has the number n. A
  // name that did not come with the batch no record has that comes after the last one
  // that was given a label.
  // @ts-ignore: decorator
  @inline
  private lacks(n: u32): bool {
    return n >= strings && (n == NONE || this.number > named);
  }

  private removeAt(p: usize): void {
    const end = pairs(this.row) + <u32>this.row.labels * PAIR;
    memory.copy(p, p + PAIR, end - p - PAIR);
    this.row.labels--;
  }

  private put(k: Key, value: u32): void {
    const p = this.find(k);
    if (p) {
      changetype<Pair>(p).value = value;
      return;
    }
    append(this.row, k.made, value);
    given(this.number);
  }

  has(k: Key): bool { return this.find(k) != 0; }

  // label returns the value of a label, "" when there is none.
  label(k: Key): string {
    const p = this.find(k);
    return p ? text(changetype<Pair>(p).value) : "";
  }

  // setLabel gives a label a value, "" takes it away. For values that depend on another
  // label alone, derive is faster.
  setLabel(k: Key, value: string): void {
    if (value.length) this.put(k, add(value));
    else this.removeLabel(k);
  }

  removeLabel(k: Key): void {
    const p = this.find(k);
    if (p) this.removeAt(p);
  }

  // rename gives a label another name. A label that has that name already is replaced.
  // Mostly both keys have been looked for in this batch, the label is where the record
  // before had it, and the new name is one that no record from this one on has. Branches
  // are dear in a guest: these are two.
  // @ts-ignore: decorator
  @inline
  rename(from: Key, to: Key): void {
    const r = this.row, z = to.last, at = r.first + from.place;
    if (<i32>from.fresh & <i32>to.fresh & <i32>(at < came) & <i32>(from.place < <u32>r.labels)
      & <i32>(z != NONE) & <i32>(z >= strings) & <i32>(this.number > named)) {
      const p = changetype<Pair>(pairsAt + at * PAIR);
      if (p.key == from.last) {
        p.key = z;
        given(this.number);
        return;
      }
    }
    this.renameAny(from, to);
  }

  private renameAny(from: Key, to: Key): void {
    const a = from.number, z = to.number;
    if (a == NONE || a == z) return;
    const r = this.row, labels: u32 = r.labels, p = pairs(r), at = place(from, p, labels, a);
    if (!at) return;
    const there = this.lacks(z) ? 0 : place(to, p, labels, z);
    changetype<Pair>(at).key = z != NONE ? z : to.enter();
    given(this.number);
    if (there) this.removeAt(there);
  }

  // mapLabel replaces the value of a label by what m makes of it; where that is "" it
  // takes the label away.
  mapLabel(k: Key, m: Mapping): void {
    const p = this.find(k);
    if (!p) return;
    const n = m.of(changetype<Pair>(p).value);
    if (n == NONE) this.removeAt(p);
    else changetype<Pair>(p).value = n;
  }

  // derive sets the label to from what m makes of the value of another one, "" when there
  // is none of that name. Where m makes "" nothing is changed.
  derive(to: Key, from: Key, m: Mapping): void {
    const p = this.find(from);
    const n = p ? m.of(changetype<Pair>(p).value) : m.ofNothing();
    if (n != NONE) this.put(to, n);
  }

  // mapName replaces the name of the series by what m makes of it; where that is "" it
  // stays.
  mapName(m: Mapping): void {
    const n = m.of(this.row.name);
    if (n != NONE) this.row.name = n;
  }

  // ofName returns what a memo makes of the name, ofLabel what it makes of a label's
  // value, or otherwise where there is none.
  ofName<T>(m: Memo<T>): T { return m.of(this.row.name); }
  ofLabel<T>(m: Memo<T>, k: Key, otherwise: T): T {
    const p = this.find(k);
    return p ? m.of(changetype<Pair>(p).value) : otherwise;
  }

  // drop takes the record out: it goes no further.
  drop(): void { this.row.flags |= <u8>Flag.Drop; }

  // fail gives the record up: the policy says what becomes of it, as it came in. Of a
  // record that was emitted nothing is left.
  fail(reason: string): void {
    if (this.number < 0) {
      this.drop();
      return;
    }
    this.row.flags |= <u8>Flag.Failed;
    failed(this.number, reason);
  }

  // emit adds a record that is like this one, and returns it to be changed. It is valid
  // until the next one is emitted.
  emit(): Record {
    const r = this.more || new Record();
    this.more = r;
    r.row = emit(this.row);
    return r;
  }
}
