// A sync server of automerge-repo 2.5 in a few lines: node repo_server.mjs FOLDER. Prints its port.
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'
import { Repo } from '@automerge/automerge-repo'
import { WebSocketServerAdapter } from '@automerge/automerge-repo-network-websocket'
import { NodeFSStorageAdapter } from '@automerge/automerge-repo-storage-nodefs'

const server = createServer()
const sockets = new WebSocketServer({ server })
new Repo({
    network: [new WebSocketServerAdapter(sockets)],
    storage: new NodeFSStorageAdapter(process.argv[2]),
    sharePolicy: async () => false,
})
// Whoever connects before the adapter listens is never answered.
const ready = setInterval(() => {
    if (sockets.listenerCount('connection') === 0) return
    clearInterval(ready)
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => console.log(server.address().port))
}, 10)
