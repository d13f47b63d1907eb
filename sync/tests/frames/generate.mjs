// Writes the frames beside this file as @automerge/automerge-repo 2.5.6 does (its helpers/cbor.ts, cbor-x 1.6.9):
//   npm install cbor-x@1.6.9 && node generate.mjs .
import { Encoder } from "cbor-x"
import { writeFileSync, mkdirSync } from "fs"
const enc = o => new Encoder({ tagUint8Array: false, useRecords: false }).encode(o)
const tagged = o => new Encoder({ tagUint8Array: true, useRecords: false }).encode(o)
const doc = "3UVbMt3Z3wSgupTisuKdvzWHe9MK"
const data = new Uint8Array([0x42, 0, 0, 1, 0, 0, 0, 2, 2, 0x84])
const out = process.argv[2]
mkdirSync(out, { recursive: true })
const w = (name, o, e = enc) => writeFileSync(`${out}/${name}.cbor`, e(o))
w("join", { type: "join", senderId: "peer-a", peerMetadata: { storageId: "store-a", isEphemeral: false }, supportedProtocolVersions: ["1"] })
w("join-ephemeral", { type: "join", senderId: "peer-a", peerMetadata: { storageId: undefined, isEphemeral: true }, supportedProtocolVersions: ["1"] })
w("join-bare", { type: "join", senderId: "peer-a", peerMetadata: {}, supportedProtocolVersions: undefined })
w("peer", { type: "peer", senderId: "hub", peerMetadata: { storageId: "store-hub", isEphemeral: false }, selectedProtocolVersion: "1", targetId: "peer-a" })
w("leave", { type: "leave", senderId: "peer-a" })
w("sync", { type: "sync", targetId: "hub", data, documentId: doc, senderId: "peer-a" })
w("sync-tagged", { type: "sync", targetId: "hub", data, documentId: doc, senderId: "peer-a" }, tagged)
w("sync-longer", { type: "sync", targetId: "hub", data: new Uint8Array(300).fill(7), documentId: doc, senderId: "peer-a" })
w("request", { type: "request", targetId: "hub", documentId: doc, data, senderId: "peer-a" })
w("doc-unavailable", { type: "doc-unavailable", documentId: doc, targetId: "hub", senderId: "peer-a" })
w("ephemeral", { type: "ephemeral", targetId: "hub", documentId: doc, data: enc({ cursor: 1 }), count: 3, sessionId: "k3v9", senderId: "peer-a" })
w("ephemeral-far", { type: "ephemeral", targetId: "hub", documentId: doc, data: enc({ cursor: 1 }), count: 2 ** 40, sessionId: "k3v9", senderId: "peer-a" })
w("error", { type: "error", senderId: "hub", message: "unsupported protocol version", targetId: "peer-a" })
w("remote-subscription-change", { type: "remote-subscription-change", targetId: "hub", add: ["store-a"], remove: undefined, senderId: "peer-a" })
w("remote-heads-changed", { type: "remote-heads-changed", targetId: "hub", documentId: doc, newHeads: { "store-a": { heads: ["AAA"], timestamp: 1700000000000 } }, senderId: "peer-a" })
