/** What a caller can act on. */
export type ErrorKind =
    /** Not a file of ours, or one of a newer format or another version. */
    | 'format'
    /** A part is not what the manifest says: damaged or changed. */
    | 'integrity'
    /** Not signed, not by a trusted key, or the signature does not fit. */
    | 'signature'
    /** This engine cannot do it: no Ed25519, no relaxed SIMD, no model. */
    | 'unsupported'
    /** The request itself is wrong; the message says where. */
    | 'invalid'
    /** No record has this field. */
    | 'unknown-field'
    /** The component trapped before: what it held must be put into a new instance. */
    | 'poisoned'
    /** What else a component has words for. */
    | 'other'

/** Every error that this package throws on purpose. */
export class SkerryError extends Error {
    readonly kind: ErrorKind
    /** What the component said, as jco hands it over: `{tag, val}`. */
    readonly detail: unknown

    constructor(kind: ErrorKind, message: string, detail?: unknown) {
        super(message)
        this.name = 'SkerryError'
        this.kind = kind
        this.detail = detail
    }
}
