// Tests of a plugin under node: load a module, give it a config and batches.
//
//   const plugin = await load(readFileSync("plugin.wasm"));
//   plugin.init({ from: "a", to: "b" });              // { code, reason }
//   plugin.transform([{ name: "m", labels: { a: "1" }, value: 2 }]);
//   // { code, reason, samples, failed: { record: reason }, logged: [], counted: { place: n } }
//
// What only Sluice does it does not: it checks neither the config against the schema nor
// the changes against the manifest.
const HEADER = 64, ROW = 32, PAIR = 8, REF = 8;
const KINDS = ["gauge", "counter", "meter", "histogram", "text"];
const utf8 = new TextEncoder(), text = new TextDecoder("utf-8", { fatal: true });

export async function load(wasm) {
  let heard, memory;
  const string = (at, length) => text.decode(new Uint8Array(memory.buffer, at, length));
  const utf16 = (at) => { // as AssemblyScript lays a string out: its length in bytes ahead
    const length = at && new DataView(memory.buffer).getUint32(at - 4, true);
    return String.fromCharCode(...new Uint16Array(memory.buffer.slice(at, at + length)));
  };
  const { instance } = await WebAssembly.instantiate(wasm, {
    env: {
      abort(message, file, line, column) {
        throw new Error(`the plugin aborted: ${utf16(message)} (${utf16(file)}:${line}:${column})`);
      },
    },
    sluice: {
      log: (_, at, length) => heard.logged.push(string(at, length)),
      fail: (_, record, at, length) => {
        if (record < 0) heard.reason = string(at, length);
        else heard.failed[record] = string(at, length);
      },
      count: (metric, n) => { heard.counted[metric] = (heard.counted[metric] ?? 0) + Number(n); },
    },
  });
  const guest = instance.exports;
  memory = guest.memory;
  const reset = () => { heard = { code: 0, reason: "", samples: [], failed: {}, logged: [], counted: {} }; };
  const put = (bytes) => {
    const at = guest.sluice_alloc(bytes.length);
    new Uint8Array(memory.buffer).set(bytes, at);
    return at;
  };
  return {
    version: guest.sluice_abi_1(),
    memory: () => memory.buffer.byteLength,
    init(config) {
      reset();
      const bytes = utf8.encode(typeof config === "string" ? config : JSON.stringify(config));
      heard.code = guest.sluice_init(put(bytes), bytes.length);
      return heard;
    },
    transform(samples) {
      reset();
      const block = encode(samples), at = put(block), answer = guest.sluice_transform(at, block.length);
      heard.code = answer >> 32n ? 0 : Number(answer);
      const failed = Object.keys(heard.failed).length > 0;
      if (heard.code === 0 || heard.code === 3) heard.samples = decode(memory.buffer, at, Number(BigInt.asUintN(32, answer >> 32n)));
      if (failed && heard.code === 0) heard.code = 3;
      return heard;
    },
    raw: (bytes) => { reset(); return { answer: Number(guest.sluice_transform(put(bytes), bytes.length)), heard }; },
  };
}

export function encode(samples) {
  const numbers = new Map(), strings = [];
  const number = (s) => {
    if (!numbers.has(s)) numbers.set(s, strings.push(utf8.encode(s)) - 1);
    return numbers.get(s);
  };
  const names = samples.map((s) => number(s.name));
  const texts = samples.map((s) => (s.kind === "text" ? number(s.text) : 0));
  const labels = samples.map((s) => Object.keys(s.labels ?? {}).sort().map((k) => [number(k), number(s.labels[k])]));
  const pairs = labels.flat(), pairsAt = HEADER + samples.length * ROW, refsAt = pairsAt + pairs.length * PAIR;
  const bytesAt = refsAt + strings.length * REF, length = strings.reduce((n, s) => n + s.length, bytesAt);
  const out = new Uint8Array(length), view = new DataView(out.buffer);
  [0x31424c53, 1, samples.length, pairs.length, strings.length, HEADER, pairsAt, refsAt, bytesAt, length].forEach((v, i) => view.setUint32(4 * i, v, true));
  view.setBigInt64(40, 1700000000000n, true);
  view.setBigUint64(48, 7n, true);
  view.setUint32(60, ROW, true);
  let first = 0;
  samples.forEach((s, i) => {
    const at = HEADER + i * ROW;
    view.setBigInt64(at, BigInt(s.time ?? 0), true);
    if (s.kind === "text") view.setBigUint64(at + 8, BigInt(texts[i]), true);
    else view.setFloat64(at + 8, s.value ?? 0, true);
    view.setUint32(at + 16, names[i], true);
    view.setUint32(at + 20, first, true);
    view.setUint16(at + 24, labels[i].length, true);
    view.setUint8(at + 26, Math.max(0, KINDS.indexOf(s.kind)));
    view.setUint32(at + 28, i, true);
    first += labels[i].length;
  });
  pairs.forEach(([k, v], i) => { view.setUint32(pairsAt + 8 * i, k, true); view.setUint32(pairsAt + 8 * i + 4, v, true); });
  let at = bytesAt;
  strings.forEach((s, i) => {
    view.setUint32(refsAt + 8 * i, at, true);
    view.setUint32(refsAt + 8 * i + 4, s.length, true);
    out.set(s, at);
    at += s.length;
  });
  return out;
}

function decode(buffer, at, result) {
  const view = new DataView(buffer), u32 = (p) => view.getUint32(p, true);
  const [records, pairs, strings] = [u32(at + 8), u32(at + 12), u32(at + 16)], [pairsAt, refsAt] = [at + u32(at + 24), at + u32(at + 28)];
  const [, , newRefs, added, addedAt, , newPairs] = result ? [0, 4, 8, 12, 16, 20, 24].map((o) => u32(result + o)) : [0, 0, 0, 0, 0, 0, 0];
  const string = (n) => {
    const ref = n < strings ? refsAt + 8 * n : newRefs + 8 * (n - strings);
    return text.decode(new Uint8Array(buffer, u32(ref) + (n < strings ? at : 0), u32(ref + 4)));
  };
  const rows = [];
  for (let i = 0; i < records; i++) rows.push(at + HEADER + i * ROW);
  for (let i = 0; i < added; i++) rows.push(addedAt + i * ROW);
  return rows.filter((r) => !view.getUint8(r + 27)).map((r) => {
    const s = { name: string(u32(r + 16)), labels: {}, source: u32(r + 28) }, kind = KINDS[view.getUint8(r + 26)];
    if (kind !== "gauge") s.kind = kind;
    if (kind === "text") s.text = string(u32(r + 8));
    else s.value = view.getFloat64(r + 8, true);
    if (view.getBigInt64(r, true)) s.time = Number(view.getBigInt64(r, true));
    for (let i = u32(r + 20), end = i + view.getUint16(r + 24, true); i < end; i++) {
      const p = i < pairs ? pairsAt + 8 * i : newPairs + 8 * (i - pairs);
      s.labels[string(u32(p))] = string(u32(p + 4));
    }
    return s;
  });
}
