import { NONE, add, enter, find, opened, serial, strings, text } from "./batch";

// Key is a string that many records are looked at with, mostly the name of a label. Its
// number is found once per batch, and then a record compares numbers, first where the
// label was in the record before. Make keys in the setup, not per record.
export class Key {
  place: u32 = 0; // of the label in the record that was looked at before
  private bytes: ArrayBuffer;
  private known: u32 = 0;
  last: u32 = NONE; // its number in the batch, where it is fresh

  constructor(public readonly text: string) {
    this.bytes = String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE);
  }

  // fresh tells whether it has been looked for in this batch.
  // @ts-ignore: decorator
  @inline
  get fresh(): bool {
    return this.known == serial;
  }

  // number is that of the key in the batch, NONE when the batch does not have it.
  // @ts-ignore: decorator
  @inline
  get number(): u32 {
    return this.fresh ? this.last : this.look();
  }

  private look(): u32 {
    this.known = serial;
    return (this.last = find(this.text, this.bytes, this.last));
  }

  // made is that number; the batch has it from then on.
  // @ts-ignore: decorator
  @inline
  get made(): u32 {
    const n = this.number;
    return n != NONE ? n : this.enter();
  }

  // enter adds it to the batch, which does not have it.
  enter(): u32 {
    this.last = enter(this.text);
    this.known = serial;
    return this.last;
  }
}

// Memo works something out for strings, for each distinct one of a batch once. f must be
// a pure function of its argument.
export class Memo<T> {
  private values: StaticArray<T> = new StaticArray<T>(0);
  private marks: StaticArray<u32> = new StaticArray<u32>(0); // round in which the value was worked out
  private round: u32 = 0;
  private batch: u32 = 0;

  constructor(private f: (text: string) => T) {}

  // of returns what f makes of a string of the batch.
  of(n: u32): T {
    if (!this.knows(n)) this.put(n, this.f(text(n)));
    return this.at(n);
  }

  knows(n: u32): bool {
    if (this.batch != opened) {
      this.batch = opened;
      this.round++;
    }
    return n < <u32>this.marks.length && unchecked(this.marks[n]) == this.round;
  }

  // @ts-ignore: decorator
  @inline
  at(n: u32): T {
    return unchecked(this.values[n]);
  }

  put(n: u32, v: T): void {
    if (n >= <u32>this.marks.length) {
      const most = max<u32>(n + n / 2 + 16, strings);
      const marks = new StaticArray<u32>(most), values = new StaticArray<T>(most);
      for (let i = 0; i < this.marks.length; i++) {
        marks[i] = this.marks[i];
        values[i] = this.values[i];
      }
      this.marks = marks;
      this.values = values;
    }
    this.marks[n] = this.round;
    this.values[n] = v;
  }
}

// Mapping makes strings of strings, each distinct one of a batch once. f must be a pure
// function of its argument; what it means to return "" the methods of Record say.
export class Mapping {
  private memo: Memo<u32> = new Memo<u32>((_: string): u32 => NONE);

  constructor(private f: (text: string) => string) {}

  // of returns the number of what the mapping makes of a string, NONE for "".
  of(n: u32): u32 {
    if (this.memo.knows(n)) return this.memo.at(n);
    const s = text(n), t = this.f(s);
    const made = t.length == 0 ? NONE : t == s ? n : add(t);
    this.memo.put(n, made);
    return made;
  }

  // ofNothing returns the number of what it makes of a label that is not there.
  ofNothing(): u32 {
    const t = this.f("");
    return t.length == 0 ? NONE : add(t);
  }
}
