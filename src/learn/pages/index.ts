/** The list of pages: only the theme switch needs a script. */
import { afterPaint, startPage } from './kit/page.ts'
import { createState } from './kit/state.ts'

startPage(createState({}), () => {})
afterPaint('index', async () => {})
