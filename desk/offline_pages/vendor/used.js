/** All that the page needs of the library; esbuild leaves out the rest. */
export { Decrypter, armor } from "age-encryption";
export { sha256 } from "@noble/hashes/sha2.js";
