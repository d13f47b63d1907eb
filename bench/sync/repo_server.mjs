// A sync server of automerge-repo 2.5 in a few lines: node repo_server.mjs FOLDER. Prints its port.
import { WebSocketServer } from 'ws'
import { Repo } from '@automerge/automerge-repo'
import { WebSocketServerAdapter } from '@automerge/automerge-repo-network-websocket'
import { NodeFSStorageAdapter } from '@automerge/automerge-repo-storage-nodefs'

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', backlog: 4096 })
server.on('listening', () => console.log(server.address().port))
new Repo({
    network: [new WebSocketServerAdapter(server)],
    storage: new NodeFSStorageAdapter(process.argv[2]),
    sharePolicy: async () => false,
})
