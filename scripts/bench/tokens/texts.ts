/**
 * Texts to measure with: seeded, so that every process makes the same ones, and made here, so that no tokenizer has
 * seen them. Words follow Zipf's law with a long tail of made-up ones; real prose has one too, and a small closed
 * vocabulary would flatter every cache.
 *
 * In:  a seed and a length in UTF-16 units. Out: a string.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** mulberry32: 32 bits of state, enough for text. */
export function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

type Random = () => number

const pick = <T>(next: Random, from: readonly T[]): T => from[Math.floor(next() * from.length)]!

/** Index below `n` with probability about 1 / (index + 2). */
const zipf = (next: Random, n: number): number =>
  Math.min(n - 1, Math.floor(Math.exp(next() * Math.log(n + 1))) - 1)

const WORDS = (
  'the of and to a in is it that was for on with as be at by he this had not are but from or have an they which one ' +
  'you were her all she there would their we him been has when who will more no if out so said what up its about into ' +
  'than them can only other new some could time these two may then do first any my now such like our over man me even ' +
  'most made after also did many before must through back years where much your way well down should because each ' +
  'just those people how too little state good very make world still own see men work long get here between both life ' +
  'being under never day same another know while last might us great old year off come since against go came right ' +
  'used take three himself few house use during without again place around however small found home thought went say ' +
  'part once general high upon school every does got united left number course war until always away something fact ' +
  'though water less public put thing almost hand enough far took head yet government system better set told nothing ' +
  'night end why called eyes find going look asked later knew point next program city business give group toward young ' +
  'days let room president side social given present several order national possible rather second face per among form ' +
  'important often things looked early white case large big become need four within felt along children saw best ' +
  'church ever least power development light thing seemed family interest want members mind country area others turned ' +
  'although open god service certain kind problem began different door thus help means sense whole matter perhaps ' +
  'itself york times human law line above name example action company hands local show five history whether gave either ' +
  'today act feet across past quite anything seen having death experience body week really half field word am car words ' +
  'already themselves information tell college shall money period held keep sure probably free real seems behind cannot ' +
  'miss political air question office brought whose special major problems ago became federal moment study available ' +
  'known result street economic boy position reason change south board individual job society areas west close turn ' +
  'love community true court force full cost wife future age wanted department voice center woman control common policy ' +
  'necessary following front sometimes six girl clear further land run students provide feel party able mother music ' +
  'education university child effect level stood military town short morning total outside rate figure class art ' +
  'century washington north usually plan leave therefore evidence top million sound black strong hard various says ' +
  'believe type value play surface soon mean lines near peace table modern tax road red book personal process situation ' +
  'increase minutes schools idea english alone women gone nor living months america started cold doctor longer dark ' +
  'finally third private section needed greater call fire expected secretary thin kept ground view values everything ' +
  'pressure basis space east father required union spirit except complete wrote moved support return conditions recent ' +
  'attention late particular nations hope live costs material beyond stage forces likely figures christian higher lost ' +
  'heart simple deal temperature reached measured latency buffer gradient protocol tokenizer parallel threshold'
).split(' ')

const ONSETS = [
  'b',
  'br',
  'c',
  'ch',
  'cl',
  'd',
  'dr',
  'f',
  'fl',
  'g',
  'gr',
  'h',
  'j',
  'k',
  'l',
  'm',
  'n',
  'p',
  'pl',
]
const MORE_ONSETS = [
  ...ONSETS,
  'pr',
  'qu',
  'r',
  's',
  'sc',
  'sh',
  'st',
  'str',
  't',
  'th',
  'tr',
  'v',
  'w',
  'y',
  'z',
  '',
]
const NUCLEI = ['a', 'e', 'i', 'o', 'u', 'ai', 'ea', 'ee', 'ie', 'oa', 'ou', 'a', 'e', 'i', 'o']
const CODAS = ['', '', '', 'n', 'r', 's', 't', 'l', 'm', 'nd', 'nt', 'rk', 'st', 'ck', 'ng']
const ENDINGS = ['', '', '', 's', 'ed', 'ing', 'ly', 'er', 'tion', 'ness', 'al', 'ity', 'ous', 'able', 'ment']

function inventedWord(next: Random): string {
  let word = ''
  for (let syllables = 1 + Math.floor(next() * 3); syllables > 0; syllables--) {
    word += pick(next, MORE_ONSETS) + pick(next, NUCLEI) + pick(next, CODAS)
  }
  return word + pick(next, ENDINGS)
}

function englishWord(next: Random): string {
  const draw = next()
  if (draw < 0.025) return inventedWord(next)
  const word = WORDS[zipf(next, WORDS.length)]!
  if (draw < 0.06) return word + pick(next, ENDINGS)
  if (draw < 0.075) return String(Math.floor(next() ** 3 * 100_000))
  return word
}

const capital = (word: string): string => word.slice(0, 1).toUpperCase() + word.slice(1)

/** Prose with curly quotes and dashes: V8 stores it as two-byte text, as most prose on the web is. */
export function english(seed: number, units: number): string {
  const next = random(seed)
  let text = ''
  while (text.length < units) {
    const quoted = next() < 0.12
    let sentence = capital(englishWord(next))
    for (let words = 4 + Math.floor(next() * 18); words > 0; words--) {
      const draw = next()
      sentence += draw < 0.05 ? ', ' : draw < 0.06 ? ' — ' : draw < 0.065 ? '; ' : ' '
      sentence += next() < 0.03 ? capital(englishWord(next)) : englishWord(next)
      if (next() < 0.012) sentence += pick(next, ["'s", '’s', "n't", "'ll", "'re", '’ve'])
    }
    sentence += pick(next, ['.', '.', '.', '.', '?', '!', '…'])
    text += (quoted ? `“${sentence}”` : sentence) + (next() < 0.15 ? '\n\n' : ' ')
  }
  return text.slice(0, units)
}

let sources: string | undefined

/** The project's own sources, with the identifiers of every copy but the first renamed. */
export function code(seed: number, units: number): string {
  const next = random(seed)
  const root = fileURLToPath(new URL('../../../src/', import.meta.url))
  sources ??= readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !/ranks|unicode-classes|weights/.test(file))
    .sort()
    .map((file) => readFileSync(root + file, 'utf8'))
    .filter((file) => file.length < 60_000)
    .join('\n')
    // Special tokens that the sources mention: some peers encode them as such without being asked.
    .replaceAll('<|', '< |')
  let text = seed === 0 ? sources : ''
  while (text.length < units) {
    const renamed = new Map<string, string>()
    text += sources.replaceAll(/\b[a-zA-Z_]\w{5,}\b/g, (name) => {
      let other = renamed.get(name)
      if (other === undefined) {
        other =
          next() < 0.5
            ? name
            : pick(next, WORDS) + capital(next() < 0.2 ? inventedWord(next) : pick(next, WORDS))
        renamed.set(name, other)
      }
      return other
    })
  }
  return text.slice(0, units)
}

/** Records of a made-up service, compact or indented. */
export function json(seed: number, units: number): string {
  const next = random(seed)
  const hex = (length: number): string =>
    Array.from({ length }, () => Math.floor(next() * 16).toString(16)).join('')
  let text = '['
  while (text.length < units) {
    const record = {
      id: `${hex(8)}-${hex(4)}-${hex(4)}-${hex(12)}`,
      name: `${capital(englishWord(next))} ${capital(inventedWord(next))}`,
      active: next() < 0.7,
      score: Math.round(next() * 1e6) / 1000,
      tags: Array.from({ length: Math.floor(next() * 5) }, () => englishWord(next)),
      address: {
        street: `${Math.floor(next() * 900)} ${capital(englishWord(next))} Street`,
        zip: hex(5),
        country: null,
      },
      createdAt: new Date(1.6e12 + Math.floor(next() * 1e11)).toISOString(),
      note: english(Math.floor(next() * 1e9), 60),
    }
    text += `${JSON.stringify(record, null, next() < 0.5 ? 2 : 0)},\n`
  }
  return text.slice(0, units)
}

const CHINESE = (
  '我们 他们 可以 没有 一个 自己 什么 现在 知道 时间 问题 工作 中国 世界 发展 社会 经济 国家 政府 人民 学生 学习 技术 系统 数据 模型 语言 ' +
  '网络 信息 研究 科学 大学 公司 市场 产品 服务 生活 历史 文化 教育 城市 环境 关系 方法 结果 能力 情况 重要 主要 不同 已经 因为 所以 但是 ' +
  '如果 虽然 而且 或者 的 了 是 在 和 有 不 这 那 就 也 都 要 会 对 从 到 说 上 下 中 大 小 多 少 年 月 日 时 分 人 家 水 火 山 天 地'
).split(' ')
const JAPANESE = (
  'これは それは です ます でした という こと もの ため よう から まで ので しかし また そして 日本 東京 時間 会社 学校 仕事 世界 言葉 ' +
  '問題 技術 開発 情報 データ システム モデル コンピュータ インターネット の は が を に で と も へ や する した している なる ある いる'
).split(' ')
const KOREAN = (
  '안녕하세요 그리고 하지만 그래서 우리는 사람들이 시간이 한국어 데이터를 모델은 언어 처리 결과가 있습니다 합니다 됩니다 것입니다 ' +
  '위해서 대한 통해 가장 많은 새로운 중요한 기술의 발전 사회 경제 정부 학교에서 서울 세계 문제를 해결 방법 연구 개발자'
).split(' ')
const EMOJI = '😀 😂 🥲 👍 👍🏽 ❤️ 🔥 🎉 🚀 👩‍💻 👨‍👩‍👧‍👦 🇩🇪 🇯🇵 ✅ ⚠️ 1️⃣ 🏳️‍🌈 🤷🏻‍♀️ 🧠 ☕'.split(' ')

/** Chinese, Japanese and Korean with emoji, a paragraph of each in turn; one character in ten is drawn at random. */
export function multilingual(seed: number, units: number): string {
  const next = random(seed)
  const rare = (): string => String.fromCodePoint(0x4e00 + Math.floor(next() ** 2 * 20_000))
  let text = ''
  while (text.length < units) {
    const [words, stop, comma, gap] = pick(next, [
      [CHINESE, '。', '，', ''],
      [JAPANESE, '。', '、', ''],
      [KOREAN, '. ', ', ', ' '],
    ] as const)
    for (let sentences = 1 + Math.floor(next() * 5); sentences > 0; sentences--) {
      for (let count = 6 + Math.floor(next() * 20); count > 0; count--) {
        text += next() < 0.1 ? rare() : words[zipf(next, words.length)]!
        text += next() < 0.08 ? comma : gap
      }
      text += stop
      if (next() < 0.3) text += pick(next, EMOJI) + (next() < 0.3 ? pick(next, EMOJI) : '')
    }
    text += '\n'
  }
  return text.slice(0, units)
}

/** Chat messages of `units` characters each. */
export function chat(seed: number, count: number, units: number): string[] {
  const all = english(seed, (count + 1) * units)
  return Array.from({ length: count }, (_, i) => all.slice(i * units, (i + 1) * units))
}

/** The inputs on which tokenizers hang: one piece, or nearly, of any length. */
export const PATHOLOGICAL: Readonly<Record<string, (units: number) => string>> = {
  'one letter repeated': (units) => 'a'.repeat(units),
  spaces: (units) => ' '.repeat(units),
  'random letters': (units) => {
    const next = random(11)
    return Array.from({ length: units }, () => String.fromCharCode(97 + Math.floor(next() * 26))).join('')
  },
  'CJK without punctuation': (units) => {
    const next = random(12)
    return Array.from({ length: units }, () => pick(next, CHINESE).slice(0, 1)).join('')
  },
  base64: (units) => {
    const next = random(13)
    const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
    return Array.from({ length: units }, () => digits[Math.floor(next() * 64)]!).join('')
  },
}
