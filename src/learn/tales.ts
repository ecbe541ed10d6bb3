/**
 * The training text: fairy tales from a story grammar written for this project, so that the weights made of them
 * belong to it too. In: a length and a seed. Out: that many characters of English tales, the same on every engine.
 * A tale keeps its hero, pronouns, helper, wish and place from beginning to end; everything else is drawn from the
 * lists below. Alternatives stand as {this|that}, the tale's own words as [name]. Not here: any text by others.
 */
import { createRandom } from './random.ts'

type Cast = Record<string, string>
type Draw = <T>(list: readonly T[]) => T

const YEARS = Array.from({ length: 600 }, (_, i) => i)
const BOYS =
  'Anselm Bruno Caspar Dario Edwin Falk Gregor Hannes Ivo Jonas Konrad Linus Matthis Nils Otto Piet Quirin Ruben Simon Tobias Ulrich Valentin Xaver Zacharias'
const GIRLS =
  'Anna Berta Clara Dora Edda Frida Greta Hanna Ida Johanna Klara Lotte Marta Nora Olga Paula Quinta Rosa Thea Ursula Vera Wilma'
const TRADES = [
  'miller',
  'weaver',
  'shepherd',
  'baker',
  'fisher',
  'tailor',
  'woodcutter',
  'potter',
  'gardener',
  'blacksmith',
  'carpenter',
  'ferryman',
  'clockmaker',
  'goose keeper',
  'beekeeper',
  'lamp lighter',
]
const TRAITS = [
  'poor but cheerful',
  'clever and quiet',
  'young and brave',
  'kind and curious',
  'small but stubborn',
  'honest and patient',
  'merry and quick',
  'gentle and strong',
  'shy but wise',
  'lonely but kind',
]
const PLACES = [
  'at the edge of a dark forest',
  'by the side of a wide river',
  'in a village below the mountains',
  'near the shore of the grey sea',
  'in a small house on a green hill',
  'behind the walls of an old town',
  'by a frozen lake',
  'beside a mill that had lost its wheel',
  'at the end of a long and dusty road',
  'in a valley full of apple trees',
  'under the roof of a crooked tower',
  'where the two roads meet',
  'on an island no bigger than a field',
]
const BEASTS = [
  'fox',
  'raven',
  'hedgehog',
  'white horse',
  'old owl',
  'little mouse',
  'grey wolf',
  'brown bear',
  'swallow',
  'toad',
  'hare',
  'black cat',
  'wild goose',
  'trout',
  'lame donkey',
  'red deer',
  'honey bee',
  'snail',
]
const ROYALS = [
  ['king', 'he', 'his', 'him'],
  ['queen', 'she', 'her', 'her'],
  ['old duke', 'he', 'his', 'him'],
  ['young prince', 'he', 'his', 'him'],
  ['proud princess', 'she', 'her', 'her'],
]
const FOES = [
  'giant',
  'witch',
  'dragon',
  'robber',
  'greedy merchant',
  'sorcerer',
  'troll',
  'ice king',
  'old ogre',
]
const WISHES = [
  ['a golden key', 'the golden key', 'could open every door'],
  ['a silver bell', 'the silver bell', 'could wake the whole land'],
  ['a glass apple', 'the glass apple', 'could heal any wound'],
  ['a blue lamp', 'the blue lamp', 'would never burn out'],
  ['a wooden flute', 'the wooden flute', 'made every heart dance'],
  ['a warm red cloak', 'the red cloak', 'kept out every winter'],
  ['a ring of copper', 'the copper ring', 'knew truth from lies'],
  ['a loaf of bread', 'the loaf of bread', 'was never eaten up'],
  ['a feather of fire', 'the feather of fire', 'shone like the sun'],
  ['a cup of clear water', 'the cup of water', 'was sweeter than wine'],
  ['a little iron horse', 'the iron horse', 'ran faster than the wind'],
  ['a book without words', 'the book without words', 'answered every question'],
] as const
const TASKS = [
  ['count the stars before the morning came', 'The stars are as many as the hairs on your head', 'counted'],
  ['bring water from the well in a basket', 'Line the basket with clay, and it will hold', 'carried'],
  ['sort the peas from the ashes in one night', 'Call the pigeons, and give them half', 'sorted'],
  ['spin a rope out of sand', 'Ask for the first piece, so that you may see how it is done', 'asked'],
  ['cross the river without a boat', 'Wait for the winter, and walk on the ice', 'waited'],
  ['guess the name that nobody knew', 'Listen at the window when the moon is full', 'listened'],
  ['climb the mountain made of glass', 'Take off your shoes and go slowly', 'climbed'],
  [
    'keep a fire alive through the storm',
    'Feed it with little sticks, and turn your back to the wind',
    'watched',
  ],
  ['carry an egg to the end of the world', 'Hide it in your cap and walk as if you were asleep', 'walked'],
  ['find the needle in the hay', 'Burn no straw, but let the ants look for you', 'searched'],
  ['bring a smile to the face of the sleeping child', 'Sing the song your mother sang', 'sang'],
  ['build a bridge in three days', 'Ask the neighbours, for many hands lift a heavy stone', 'worked'],
] as const
const MORALS = [
  'A kind word opens more doors than a golden key.',
  'Whoever shares the bread will never eat alone.',
  'Small steps climb the tallest mountain.',
  'What is given gladly comes back twice.',
  'The night is long, but the morning is longer.',
  'He who listens learns, and he who learns is free.',
  'A promise is a bridge, and one must not burn it.',
  'Patience is slow, but it never loses its way.',
  'Even a mouse can move a mountain, one grain at a time.',
  'Gold is heavy in the pocket and light in the heart.',
  'Better one true friend than a hundred rich cousins.',
  'The truth walks on foot, but it always arrives.',
  'Do not count the apples before the tree has bloomed.',
  'Where there is laughter, there is always room for one more.',
]
const WHYS = [
  ['is the sea so salty', 'Because the old moon wept into it when she lost her ring'],
  [
    'is the sky blue',
    'Because the wind washes it every morning, and blue is the only colour that will not run',
  ],
  ['do the stars shine at night', 'Because they are afraid of the dark and have brought their lamps'],
  ['does the owl sleep all day', 'Because she has been reading until the morning'],
  ['do the leaves fall in autumn', 'Because the tree is tired and takes off its coat before bed'],
  ['is the snow so quiet', 'Because it has come a long way and does not want to wake us'],
  ['does the river never stop', 'Because it has promised the sea a visit, and it keeps its word'],
  ['do cats walk alone', 'Because they are counting, and one must not talk to them'],
  ['does the fire sing', 'Because it remembers the birds that lived in the wood'],
  ['must we go to sleep', 'Because a dream cannot find a house with its eyes open'],
  ['does the bee dance', 'Because she has found a garden and has no other words for it'],
  ['is bread so good', 'Because rain and sun and many hands are baked into it'],
] as const

const OPENINGS = [
  'Once upon a time there {was|lived} [a-trait] [trade] named [name], who lived [place].',
  'Once upon a time, [place], there lived [a-trade] whose name was [name].',
  'Long ago, when {wishes still helped|the mountains were young|the animals could speak}, [a-trait] [trade] called [name] lived [place].',
  'There was once [a-trade] named [name], [trait], who {owned nothing but|had only} {a kettle and a chair|an old coat and a good heart|three coins and a song}.',
  'In the days of the old king there lived [place] [a-trade], and [his] name was [name].',
  'In the year [year], when {the snow lay deep|bread was dear|the comet stood in the sky}, [a-trade] called [name] lived [place].',
  '"{Hello|Good morning|Good evening}, [name]!" {said|called|cried} the {neighbours|children|old women} when the [trade] {went by|came down the road}, for [name] lived [place] and was [trait].',
  '{Far away|Many years ago|Nobody knows when}, [place], [name] the [trade] {worked from morning until night|lived with [his] {grandmother|grandfather|seven brothers}}.',
]
const DAYS = [
  'Every {morning|evening} [he] {swept the floor|fed the hens|looked out of the window|walked to the well}, and every {night|winter} [he] {dreamed|thought} of [wish] that [power].',
  'The {winter|summer|autumn} was {long|hard|cold|dry}, and there was {little bread in the house|no wood for the fire|nothing left to eat but {turnips|cabbage|an onion}}.',
  '[name] {worked hard|sang while [he] worked|never complained}, {and everyone in the village liked [him]|but the {purse|cupboard|barrel} stayed empty}.',
  'Now [he] had heard of [wish] that [power], and [he] could {think of nothing else|not sleep for thinking of it}.',
  '[his] {mother|father|grandmother} {used to say|often said}: "{Work well and {fear nothing|be kind}|Never turn away a hungry guest|Do not be afraid of the dark, for it is only the day asleep}."',
]
const TROUBLES = [
  'One {day|morning|night}, {without any warning|when the moon was full|while the bells were ringing}, the [foe] came {out of the forest|down from the mountain|over the bridge} and {stole|took away} [the-wish].',
  'Then the [royal] {fell ill|lost [royal-his] smile|could no longer sleep}, and {nobody|no doctor in the land} {knew what to do|could help}.',
  'But in the third year the {river dried up|fields turned to stone|wind forgot to blow}, and the people {grew hungry|were afraid|began to weep}.',
  'One evening {a stranger|an old woman|a man in a grey coat} knocked at the door and said: "{Whoever finds [the-wish] shall have half the kingdom|Bring me [the-wish], and you shall never be hungry again|Beware! Tonight the [foe] will come for [the-wish]}."',
]
const DEPARTURES = [
  'So [name] {put on [his] boots|took [his] stick|packed a piece of cheese} and {went out into the wide world|set off before the sun was up|followed the road to the north}.',
  '"I will go and {look for it|find it|bring it back}," said [name], and nobody could {stop|hold} [him].',
  '[name] {kissed [his] grandmother|locked the door|filled [his] bottle} and walked {for three days and three nights|until [his] shoes were thin|through rain and wind}.',
]
const MEETINGS = [
  'In the {middle of the forest|shade of an oak|tall grass} [he] met [a-beast] that {was caught in a trap|had a thorn in its foot|was dizzy with hunger|was shivering in the cold|had lost its way}.',
  'Under a {bridge|stone|fallen tree} sat [a-beast], and it was {weeping|very hungry|too tired to move}.',
  'On the {second|third|seventh} day [a-beast] {stood in [his] way|called to [him] from a branch|came out of the mist}.',
]
const PLEAS = [
  '"{Please|Dear [trade]|Good friend}, {help me|share your bread with me|do not pass me by}," said the [beast], "{and I will help you|and I shall not forget it|for nobody else has stopped}."',
  '"Where are you going, [name]?" asked the [beast]. "I am looking for [the-wish]," said [name], "{but I do not know the way|and I will not turn back}."',
  '"{Others have passed|A hundred people have gone by}," said the [beast], "but {you are the first who stopped|none of them had time}."',
]
const DEEDS = [
  '[name] {had only one piece of bread|was hungry too}, but [he] {broke it in two|gave half of it away}.',
  'So [name] {knelt down|put down [his] bag} and {set it free|pulled out the thorn|wrapped it in [his] coat}, {and asked for nothing|for [he] had a soft heart}.',
  '[he] {laughed|smiled} and said: "{There is enough for two|Come with me, then|A friend is better than gold}."',
]
const ARRIVALS = [
  "Together they came to {{the castle|the tower|the cave|the house} of the [foe]|the [foe]'s {castle|tower|cave|house}}, {where the windows were dark|which had no door|and the gate was made of bones}.",
  'At last they {reached|saw} the {castle|palace} of the [royal], {shining on a hill|and its roof was covered with snow|where a hundred candles burned}.',
  'After {seven days|a long journey} they stood before the [foe], who was {as tall as a church|sitting on a heap of gold|combing a long grey beard|stirring a black kettle}.',
]
const CHALLENGES = [
  '"{If you want [the-wish]," {growled|laughed|cried|said} the [foe], "you must|You may have [the-wish]," {growled|laughed|cried|said} the [foe], "but first you must} [task]. {If you fail, you will serve me for ever|You have until the morning}."',
  'The [foe] {pointed a long finger at|looked down at} [name] and said: "Only one who can [task] shall have [the-wish]."',
]
const COUNSELS = [
  '[name] sat down and {wept|did not know what to do}. But the [beast] {whispered|said}: "[advice]."',
  '"{Have no fear|Do not be sad|Hush, [name]|Be of good courage|Dry your tears}," said the [beast]. "[advice]."',
]
const DOINGS = [
  'So [name] [did] and [did], {until the first light came|all night long|and never looked back}, and when {the cock crowed|the sun rose}, the work was done.',
  '[name] did as the [beast] had said, and [he] [did] {until [his] hands were sore|without a word|with a light heart}. It took {all night|three days|a long time}, but it was done.',
]
const VICTORIES = [
  'The [foe] {turned red with anger|stamped the ground|howled like the wind}, {sank into the earth|flew out of the window|ran away}, and was never seen again.',
  '"{Woe is me|It cannot be|I am beaten}!" cried the [foe], and {burst into a thousand pieces|turned to stone|melted like snow in the spring|became as small as a flea}.',
  '"{You have won|I see that you are wiser than I}," said the [foe], and {gave [him]|handed over} [the-wish] {with a sigh|and wept}.',
]
const REWARDS = [
  'The [royal] was so {glad|happy} that [royal-he] gave [name] {a bag of gold|a house with nine windows|a white horse and a garden|half the kingdom}.',
  'When [he] came home, the whole village {danced|sang|was waiting at the gate}, and {the river flowed again|there was bread for everyone|the bells rang for three days}.',
  'The [royal] {thanked [him]|took [him] by the hand} and {asked|said}: "{What do you wish for|What shall I give you}?" "{Nothing|Only a place by the fire}," said [name], "{for I have a friend|for I have all I need|and that is enough for me}."',
]
const ENDINGS = [
  'And [name] and the [beast] lived {happily|in peace} together, {and if they have not died, they are living still|until the end of their days|and they were never hungry again}.',
  'From that day on [he] was never {lonely|poor|afraid} again, and the [beast] slept {by the stove|at the foot of [his] bed|in the warm straw}.',
  'And whoever does not believe it must {go and see|ask the [beast]|pay a penny}.',
]
const QUESTIONS = [
  '"Why [why]?" asked [name]. "[because]," said the {grandmother|old man|[beast]}. "{And now go to sleep|Go and see for yourself|But do not tell the others}."',
  'One evening the [royal] asked: "Why [why]?" {Nobody knew|The wise men shook their heads}. Only [name] the [trade] {stood up|laughed} and said: "[because]." And the [royal] {was content|smiled for the first time in years}.',
  'Why [why]? [because]. {That is what the [beast] says|So the old people tell it}, and {it must know|I believe it}.',
]
const FABLES = [
  'A [beast] and [a-beast2] {found|saw} {a piece of cheese|a ripe pear|a pot of honey} {by the road|under a tree}. "It is mine, for I saw it first," said the [beast]. "It is mine, for I {smelled|heard} it first," said the [beast2]. While they {argued|fought}, a {sparrow|child|beetle} {ate it up|carried it away}.',
  'A [beast] {asked|said to} [a-beast2]: "{Why are you so slow|Why do you never hurry|Where are you going in such a hurry}?" "{Because I want to arrive|Because the road is beautiful|To find the time that I have lost}," {answered|said} the [beast2], and {went on|walked on slowly}.',
  'In a hard winter [a-beast] came to the house of [a-beast2] and {begged for|asked for} {a little bread|a place by the fire}. "{All summer you sang|I have only enough for one}," said the [beast2]. But {the night was cold and its heart was warm|then it thought of the long dark nights}, and it opened the door. They {told each other stories|sang together} until the spring.',
  'The [beast] {boasted|said}: "{Nobody is as strong as I|I am the most beautiful of all|I fear nobody}." Then {the wind blew|a leaf fell|the thunder rolled}, and the [beast] {ran away|hid under a stone}. "{It is easy to be brave in the sunshine|A loud voice is not a strong back}," said the [beast2].',
]

/** Expands {a|b} from the inside out, then [name]s, then sets a capital at the start of every sentence. */
function expand(template: string, cast: Cast, draw: Draw): string {
  let text = template
  for (let last = ''; last !== text;) {
    last = text
    text = text.replace(/\{([^{}]*)\}/g, (_, options: string) => draw(options.split('|')))
  }
  text = text.replace(/\[([\w-]+)\]/g, (_, word: string) => cast[word] ?? '')
  return text.replace(/(^"?|[.?!] "?|\." "?|[?!]" "|: ")([a-z])/g, (_, before: string, letter: string) => {
    return before + letter.toUpperCase()
  })
}

const article = (word: string): string => (/^([aeiou]|honest)/.test(word) ? `an ${word}` : `a ${word}`)

function castTale(draw: Draw): Cast {
  const boy = draw([true, false])
  const [royal = '', royalHe = '', royalHis = ''] = draw(ROYALS)
  const [wish, theWish, power] = draw(WISHES)
  const [task, advice, did] = draw(TASKS)
  const [why, because] = draw(WHYS)
  const trait = draw(TRAITS)
  const trade = draw(TRADES)
  const beast = draw(BEASTS)
  const beast2 = draw(BEASTS.filter((other) => other !== beast))
  return {
    name: draw((boy ? BOYS : GIRLS).split(' ')),
    he: boy ? 'he' : 'she',
    his: boy ? 'his' : 'her',
    him: boy ? 'him' : 'her',
    trait,
    'a-trait': article(trait),
    trade,
    'a-trade': article(trade),
    place: draw(PLACES),
    beast,
    'a-beast': article(beast),
    beast2,
    'a-beast2': article(beast2),
    royal,
    'royal-he': royalHe,
    'royal-his': royalHis,
    foe: draw(FOES),
    wish,
    'the-wish': theWish,
    power,
    task,
    advice,
    did,
    why,
    because,
    year: String(1300 + draw(YEARS)),
  }
}

/** One tale: a journey, a question with its answer, or an animal fable; about 200 to 2,000 characters. */
export function tale(random: () => number): string {
  const draw: Draw = (list) => list[Math.floor(random() * list.length)]!
  const cast = castTale(draw)
  const tell = (...parts: string[]): string => parts.map((part) => expand(part, cast, draw)).join(' ')
  const kind = random()
  if (kind < 0.15) return tell(draw(FABLES), draw(MORALS))
  if (kind < 0.3)
    return random() < 0.5 ? tell(draw(QUESTIONS)) : tell(draw(OPENINGS), draw(QUESTIONS.slice(0, 2)))
  return [
    tell(draw(OPENINGS), draw(DAYS), draw(TROUBLES)),
    tell(draw(DEPARTURES), draw(MEETINGS), draw(PLEAS), draw(DEEDS)),
    tell(draw(ARRIVALS), draw(CHALLENGES), draw(COUNSELS), draw(DOINGS), draw(VICTORIES)),
    tell(draw(REWARDS), draw(ENDINGS), ...(random() < 0.5 ? [draw(MORALS)] : [])),
  ].join('\n')
}

/** At least `length` characters of tales, an empty line between two; default seed 1. */
export function tales(length: number, seed: number = 1): string {
  const random = createRandom(seed)
  const told: string[] = []
  for (let size = 0; size < length;) {
    const next = tale(random)
    told.push(next)
    size += next.length + 2
  }
  return told.join('\n\n') + '\n'
}
