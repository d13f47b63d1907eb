// What the replica's test page has: everything, under one name.
import * as skerry from 'skerry'
import * as replica from 'skerry/replica'

globalThis.skerry = { ...skerry, ...replica }
