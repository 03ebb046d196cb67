// A worker of one's own, where a policy forbids workers made from text.

import { serve } from "./workers-entry.mjs";

serve();
