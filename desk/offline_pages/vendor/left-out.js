/**
 * Stands in for what only other kinds of keys need (post-quantum and hardware ones), 54 KB of it. Campaigns have none:
 * shared/crypto/sealing.py takes X25519 keys alone, and the pages give the library nothing else.
 */
export const MLKEM768P256 = undefined;
export const MLKEM768X25519 = undefined;
export const p256 = undefined;
