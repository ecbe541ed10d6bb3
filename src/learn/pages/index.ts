/** The list of pages: only the theme switch needs a script. */
import { startPage } from './kit/page.ts'
import { createState } from './kit/state.ts'

startPage(createState({}), () => {})
