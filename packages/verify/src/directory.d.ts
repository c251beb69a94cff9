import type { ModelFile } from "./index.js";

/**
 * Hash the files of a directory and of those below it, hidden ones too. With Node.js only.
 * @returns What the option `model` takes.
 * @throws {DocumentError} It is not a directory, or has something that cannot be read, or that is neither a
 *   file nor a directory, such as a symbolic link.
 */
export function hashDirectory(directory: string): ModelFile[];
