// Signatures of JOSE by the package `jose`, over the WebCrypto of Node.js.
import {
  CompactSign, FlattenedSign, GeneralSign, compactVerify, flattenedVerify, generalVerify, generateKeyPair, importJWK,
} from "jose";
import { createPublicKey } from "node:crypto";
import { octets, run } from "./jobs.mjs";

const VERIFY = { compact: compactVerify, flattened: flattenedVerify, general: generalVerify };
const parsed = (job) => (job.serialization === "compact" ? job.sealed : JSON.parse(job.sealed));

async function verify(job) {
  const input = parsed(job);
  if (job.content !== undefined) {
    input.payload = octets(job.content); // b64=false: what lies beside, as it is
  }
  const key = await importJWK(createPublicKey({ key: Buffer.from(octets(job.key)), format: "der", type: "spki" })
    .export({ format: "jwk" }), job.alg);
  try {
    // `sigD` and `b64` must be understood: whoever verifies a seal as a plain JWS says that he looks at them.
    const found = await VERIFY[job.serialization](input, key, { crit: { sigD: true }, algorithms: [job.alg] });
    return { payload: found.payload };
  } catch (error) {
    return error.code;
  }
}

async function sign(job) {
  const { privateKey, publicKey } = await generateKeyPair(job.alg, { extractable: true });
  const spki = (await crypto.subtle.exportKey("spki", publicKey));
  const payload = octets(job.payload), header = { alg: job.alg };
  const sealed = {
    compact: async () => new CompactSign(payload).setProtectedHeader(header).sign(privateKey),
    flattened: async () =>
      JSON.stringify(await new FlattenedSign(payload).setProtectedHeader(header).sign(privateKey)),
    general: async () => {
      const several = new GeneralSign(payload);
      several.addSignature(privateKey).setProtectedHeader(header);
      return JSON.stringify(await several.sign());
    },
  }[job.serialization];
  return { sealed: Buffer.from(await sealed()), key: spki };
}

run({ sign, verify });
