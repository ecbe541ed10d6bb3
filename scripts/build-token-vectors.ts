/**
 * Builds fixtures/tokens/vectors.json: the project's own golden vectors.
 *
 * In:  strings written or generated here. Out: each with its ids in the five encodings npm's `tiktoken` knows; the ids
 *      are tiktoken's, never ours.
 *
 * Run: npx tsx scripts/build-token-vectors.ts
 */

import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { get_encoding } from 'tiktoken'
import { code, english, json, multilingual, random } from './bench/tokens/texts.ts'

const NAMES = ['o200k_base', 'cl100k_base', 'p50k_base', 'p50k_edit', 'r50k_base'] as const

const written = [
  '',
  'a',
  ' ',
  '\n',
  'Hello, world!',
  "I'm sure they'll say we've won, but I'd rather you're quiet; it's 10 o'clock.",
  "I'M SURE THEY'LL SAY WE'VE WON, BUT I'D RATHER YOU'RE QUIET",
  "Drag'n'Drop rock'n'roll 'til ’tis ‘quoted’",
  "ſ'ſ x'ſ X'ſs 'ſ",
  'hasOwnProperty constructor toString valueOf isPrototypeOf __proto__ toLocaleString',
  '\ufeffhello',
  'a\ufeffb \ufeff\ufeff',
  ' \u0085x\u0085\u0085 y',
  '\u00a0\u2003\u3000x\u2028\u2029\u202f',
  '\u200b\u200c\u200d\u2060',
  'naïve café Ünïcödé ÅÉÎÕÜ ﬁ ﬀ ß ẞ',
  'ABCdef GHI jkL mNoP QrS',
  'iPhone McDonald eBay HTTPServer XMLHttpRequest parseJSON2XML',
  '1 12 123 1234 12345 123456 1234567 3.14159 1,000,000 1e-9 0xFF 2^10',
  '١٢٣٤ १२३४ ②③ ⅷ ½¾ 一二三',
  'foo_bar __init__ snake_case_name kebab-case-name path/to/file.ts C:\\Users\\x',
  'x = y + z; // comment\n\tif (a && b) { return !c }\r\n\r\n',
  '    four\n        eight\n\t\ttabs\n \n  \n   trailing   ',
  '!!!???...---===___***+++~~~```',
  '\n/\n//\r\n/ /\n !\n/',
  '<|endoftext|',
  '<| endoftext |> <|endoftext |> <endoftext>',
  '你好，世界！我们一起学习人工智能。',
  'これは日本語のテストです。カタカナとひらがな、漢字。',
  '안녕하세요 세계! 한국어 텍스트입니다.',
  'Привет, мир! Съешь ещё этих мягких французских булок.',
  'Γειά σου Κόσμε! ΑΒΓ αβγ',
  'שלום עולם! مرحبا بالعالم! سلام دنیا',
  'नमस्ते दुनिया! สวัสดีชาวโลก! வணக்கம்',
  'ǅ ǈ ǋ ᾈ ʰʲ ˈ ª º ʼn',
  'e\u0301 A\u0300B\u0300 \u0301x \u0301X !\u0301a !!\u0301a',
  'A한B한C a한b AB한 한AB한cd',
  '😀👍🏽👩‍👩‍👧‍👦🇩🇪🏳️‍🌈1️⃣❤️☕',
  '𝐇𝐞𝐥𝐥𝐨 𝒲𝑜𝓇𝓁𝒹 𐐀𐐨 𠀀𪛖',
  'lone \ud800 surrogates \udc00 \ud83d!',
  'a'.repeat(300),
  ' '.repeat(200),
  '\n'.repeat(100),
  '='.repeat(150) + '-'.repeat(150),
  'ab'.repeat(200),
  '한'.repeat(120),
  '的'.repeat(90),
  'AbCdEfGhIjKlMnOpQrStUvWxYz0123456789+/'.repeat(8),
  'pneumonoultramicroscopicsilicovolcanoconiosis antidisestablishmentarianism',
]

const next = random(20_261)
const alphabets = [
  " aA'sStTdDmMlLvVrReE\n",
  ' \t\n\r\u00a0\u3000\u0085x!1',
  'aAéÉǅʰª한你\u0301\u0903 1½!',
  '!?.,;:/\\-_=+*#@$%^&()[]{}<>|~`"\'\n ',
  '0123456789 .,-١२½a',
  '😀👍🏽❤️‍🇩🇪 a!',
]
const generated: string[] = []
while (written.length + generated.length < 560) {
  const characters = [...alphabets[generated.length % alphabets.length]!]
  const length = 1 + Math.floor(next() * 24)
  generated.push(Array.from({ length }, () => characters[Math.floor(next() * characters.length)]!).join(''))
}
for (let seed = 0; seed < 10; seed++) {
  generated.push(english(seed, 300), json(seed, 300), multilingual(seed, 200))
}
// A fixed seed and only the first copy: sources of this project as they were when the vectors were made.
generated.push(code(0, 4_000))

const strings = [...new Set([...written, ...generated])]
const encodings = NAMES.map((name) => get_encoding(name))
const vectors = strings.map((text) => ({
  text,
  ids: Object.fromEntries(
    NAMES.map((name, i) => [name, Array.from(encodings[i]!.encode_ordinary(text)).join(' ')] as const),
  ),
}))
const head = {
  about: 'ids from npm tiktoken 1.0.22; made by scripts/build-token-vectors.ts',
  vectors: strings.length,
}
const lines = vectors.map((vector) => JSON.stringify(vector))
writeFileSync(
  fileURLToPath(new URL('../fixtures/tokens/vectors.json', import.meta.url)),
  `{ "about": ${JSON.stringify(head.about)}, "vectors": [\n${lines.join(',\n')}\n] }\n`,
)
console.log(`${strings.length} strings, ${NAMES.length} encodings`)
