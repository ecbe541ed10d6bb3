/** The race in a worker, so that the page stays awake. */
import { evolutionJob } from './evolution-job.ts'
import { serve } from './kit/worker.ts'

serve(evolutionJob)
