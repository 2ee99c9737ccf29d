// What a transform plugin in AssemblyScript is written with: it turns the block that
// Sluice hands over into records with names and labels, and what the plugin does to
// them into the answer. It knows nothing of policies.
//
// A plugin says setup() and each(), and exports what ./exports exports. It is stateless:
// what it keeps between batches is a cache.
export { Config } from "./config";
export { Key, Mapping, Memo } from "./key";
export { Kind, Record } from "./record";
export { Level, batch, count, each, log, setup } from "./plugin";
