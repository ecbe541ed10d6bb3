/**
 * What the evolution page says about its tasks, and what may be chosen there. Kept apart from the tasks themselves
 * (evolution-tasks.ts), so that the page paints before any model code is asked for.
 */

/** The tasks, in the order of the menu. */
export const TASKS = ['frida', 'coin', 'additive', 'deceptive', 'specialists'] as const
/** One of them. */
export type TaskName = (typeof TASKS)[number]

/** Evaluations that each search may spend. */
export const BUDGETS = ['120', '240', '480', '960'] as const
/** How many seeds each search is run with. */
export const COUNTS = ['3', '5', '8'] as const
/** Whose run is looked at. */
export const STRATEGIES = ['first', 'genetic', 'pareto', 'hill-climb', 'random'] as const

/** Sentences the model of this project could have read: four to search on, four to be honest with. */
export const SENTENCES: Readonly<Record<'dev' | 'held', readonly string[]>> = {
  dev: [
    'So Frida walked and walked, until the ni',
    '"Hush, Frida," said the grey wolf. "Hide',
    'Now Frida had heard of a golden key that',
    'said to Frida: "Bring me the golden key,',
  ],
  held: [
    'At last Frida reached the castle of the ',
    '"Dear Frida, do not pass me by," said th',
    'and gave Frida the golden key. From that',
    'So Frida set the grey wolf free, for she',
  ],
}

/** A task in words: its place in the menu, what it asks, what its score is. */
export const TEXTS: Readonly<Record<TaskName, { title: string; about: string; score: string }>> = {
  frida: {
    title: 'The tiny model',
    about:
      'At most eight words in front, so that the model of this project finds four sentences about Frida likely. Four other sentences are held out. Running it takes half a minute or more: every evaluation is a pass through the network.',
    score: 'nats a character (0 is certain)',
  },
  coin: {
    title: 'Dice: pure luck',
    about:
      'Scores are dice, the same for the same question. Every search still reports a prompt that gained much; on held-out examples the gain falls on both sides of zero. This is what noise alone looks like.',
    score: 'score between 0 and 1',
  },
  additive: {
    title: 'Simulated: traits add up',
    about:
      'A simulated model with ten traits a prompt can have, each good or bad by itself. Any climber finds the top, and a complicated search is a waste.',
    score: 'chance of a right answer',
  },
  deceptive: {
    title: 'Simulated: steps lead astray',
    about:
      'Blocks of four traits: all four are best, otherwise fewer are better. Small steps lead away from the top; joining halves of two prompts can reach it, if the budget lasts.',
    score: 'mean score',
  },
  specialists: {
    title: 'Simulated: a mediocre trick',
    about:
      'Four kinds of examples that need different traits, and one mediocre trick that suits all of them. Who only follows the mean stays with the trick; who keeps the best for each example, or starts anew, gets past it.',
    score: 'mean score',
  },
}
