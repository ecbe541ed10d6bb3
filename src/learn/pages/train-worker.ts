/** Training in a worker, so that the page stays awake. */
import { serve } from './kit/worker.ts'
import { trainJob } from './train-job.ts'

serve(trainJob)
