// node host.mjs PROGRAM.wasm FOLDER ARGS...: runs a WASI program that sees
// FOLDER as its root.
import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';

const [wasm, folder, ...args] = process.argv.slice(2);
const wasi = new WASI({ version: 'preview1', args: ['wasi', ...args], preopens: { '/': folder } });
const module = await WebAssembly.compile(await readFile(wasm));
process.exitCode = wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
