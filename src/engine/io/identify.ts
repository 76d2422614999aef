/** Identifies a file that was given as a safetensors file but is not one. */
const SIGNATURES: readonly { bytes: readonly number[]; what: string; advice: string }[] = [
  {
    bytes: [0x50, 0x4b, 0x03, 0x04],
    what: 'a zip archive, as PyTorch writes .pt and .pth files',
    advice:
      'Convert it in Python first: `from safetensors.torch import save_file; save_file(torch.load("in.pth", weights_only=True), "out.safetensors")`.',
  },
  {
    bytes: [0x80],
    what: 'a Python pickle, as old PyTorch versions write .pth files',
    advice:
      'Convert it in Python first: `from safetensors.torch import save_file; save_file(torch.load("in.pth", weights_only=True), "out.safetensors")`.',
  },
  { bytes: [0x89, 0x50, 0x4e, 0x47], what: 'a PNG image', advice: 'Give the path of a .safetensors file.' },
  { bytes: [0xff, 0xd8, 0xff], what: 'a JPEG image', advice: 'Give the path of a .safetensors file.' },
  { bytes: [0x49, 0x49, 0x2a, 0x00], what: 'a TIFF image', advice: 'Give the path of a .safetensors file.' },
  { bytes: [0x4d, 0x4d, 0x00, 0x2a], what: 'a TIFF image', advice: 'Give the path of a .safetensors file.' },
  {
    bytes: [0x89, 0x48, 0x44, 0x46],
    what: 'an HDF5 file (Keras)',
    advice: 'Convert the weights to safetensors first.',
  },
  {
    bytes: [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59],
    what: 'a NumPy array',
    advice: 'Convert the weights to safetensors first.',
  },
  { bytes: [0x47, 0x47, 0x55, 0x46], what: 'a GGUF file', advice: 'Convert the weights to safetensors first.' },
  { bytes: [0x1f, 0x8b], what: 'a gzip archive', advice: 'Unpack it first.' },
  {
    bytes: [...'version https://git-lfs'].map((character) => character.charCodeAt(0)),
    what: 'a Git LFS pointer, not the file itself',
    advice: 'Fetch the content with `git lfs pull`.',
  },
  { bytes: [0x3c], what: 'a web page or XML', advice: 'The download probably failed: fetch the file again.' },
  {
    bytes: [0x7b],
    what: 'a JSON text',
    advice: 'Give the path of a .safetensors file, or of a checkpoint manifest ending in .json.',
  },
];

/** Says what a file that is not a safetensors file seems to be, judged by its first bytes, and what the user can do. */
export function identifyForeignFile(bytes: Uint8Array): { what: string; advice: string } {
  for (const signature of SIGNATURES) {
    if (signature.bytes.every((value, index) => bytes[index] === value)) return signature;
  }
  return { what: 'damaged or of an unknown kind', advice: 'Check the path, or download or copy the file again.' };
}
