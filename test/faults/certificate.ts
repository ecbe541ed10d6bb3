/**
 * Certificates that are wrong in a chosen way, made when a test runs: no key lies in the repository, and "expired"
 * stays expired.
 *
 * In:  a host name and the years it is valid. Out: a key and a self-signed certificate in PEM, for `node:tls`.
 * DER by hand: every value is tag, length, content. X.509 v3, RFC 5280 §4.1; ECDSA with SHA-256, RFC 5758.
 */

import { generateKeyPairSync, sign } from 'node:crypto'

function der(tag: number, ...contents: (Buffer | number[])[]): Buffer {
  const content = Buffer.concat(contents.map((piece) => Buffer.from(piece)))
  const { length } = content
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

const sequence = (...items: Buffer[]): Buffer => der(0x30, ...items)
/** 1.2.840.10045.4.3.2, ecdsa-with-SHA256 */
const ECDSA_SHA256 = sequence(der(0x06, [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]))
/** 2.5.4.3, commonName */
const COMMON_NAME = der(0x06, [0x55, 0x04, 0x03])
/** 2.5.29.17, subjectAltName */
const ALT_NAME = der(0x06, [0x55, 0x1d, 0x11])

/** @param names what it is valid for: a DNS name, or an IPv4 address. */
export function selfSigned(init: { name: string; fromYear: number; toYear: number }): {
  key: string
  cert: string
} {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const subject = sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(init.name)))))
  const validity = sequence(
    ...[init.fromYear, init.toYear].map((year) => der(0x18, Buffer.from(`${year}0101000000Z`))),
  )
  const isAddress = /^[\d.]+$/.test(init.name)
  const altName = isAddress ? der(0x87, init.name.split('.').map(Number)) : der(0x82, Buffer.from(init.name))
  const body = sequence(
    der(0xa0, der(0x02, [2])),
    der(0x02, [1]),
    ECDSA_SHA256,
    subject,
    validity,
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(sequence(ALT_NAME, der(0x04, sequence(altName))))),
  )
  const signature = sign('sha256', body, privateKey)
  const whole = sequence(body, ECDSA_SHA256, der(0x03, [0], signature))
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? []
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
  }
}
