/** What has changed in the running machine since a checkpoint. */
import { diffCheckpoints } from '../../../snapshot/diff/diff.ts';
import { machineNow } from '../../../snapshot/diff/machine-now.ts';
import { decodeState } from '../../../snapshot/machine-state.ts';
import type { Methods } from '../../control/protocol.ts';
import { toJson } from '../json.ts';
import { diffData } from '../store/diff-data.ts';
import { diffText } from '../store/diff-text.ts';
import { historyAround } from '../store/history.ts';
import { diffPage } from '../store/html/page.ts';
import { colourful, plainText } from '../store/paint.ts';
import { findSymbols } from '../store/symbols.ts';
import type { Recorder } from './recorder.ts';
import type { Subject } from './subject.ts';

const DEFAULT_LIMIT = 40;
/** Ranges that one answer can hold. */
const MOST_RANGES = 20_000;

/** Compares a checkpoint, by default the machine's last one, with the machine now. */
export function diffWithNow(
  { live: { session }, store }: Recorder,
  { guest }: Subject,
  { ref, limit = DEFAULT_LIMIT, stat = false, colour = false, symbols: file, page = false }: Methods['diff']['params'],
): Methods['diff']['result'] {
  using before = store.open(ref ?? session.base ?? 'latest');
  using after = machineNow(session, before, guest);
  const { description } = decodeState(after.config);
  const symbols = findSymbols(file, description);
  const most = Math.min(limit === 0 ? MOST_RANGES : limit, MOST_RANGES);
  const diff = diffCheckpoints(before, after, { symbols, limit: most });
  const text = diffText(diff, { paint: colour ? colourful : plainText, limit: most, stat });
  const data = JSON.parse(toJson(diffData(diff)));
  return { data, text, ...(page && { page: diffPage(diff, historyAround(store, diff), description.guest?.path) }) };
}
