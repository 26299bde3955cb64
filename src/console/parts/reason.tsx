import type { JSX } from 'preact';
import { type DeliveryReason, deliveryReasons, deliveryRemedies } from '#shared/contracts/delivery-reasons.js';
import { Marked, toSentence } from './code.js';

/** How a state looks: by colour, besides its words. */
export type Tone = 'good' | 'warn' | 'bad' | '';

/** The tone of a reason: it arrived, an operator has to act, it is lost for this device, or it takes its course. */
function toneOf(reason: string): Tone {
  if (reason === 'ACKNOWLEDGED' || reason === 'PUSHED') return 'good';
  if (reason.startsWith('EXPIRED_')) return 'bad';
  return ['NOT_ACKNOWLEDGED', 'STALLED', 'OTHER_NAMESPACE'].includes(reason) ? 'warn' : '';
}

/** The tone of the state of a message or a device. */
export const toneOfState = (state: string | null): Tone => STATES[state ?? ''] ?? '';

const STATES: Readonly<Record<string, Tone>> = { acked: 'good', pushed: 'good', sent: 'warn', expired: 'bad' };

/** Why a device got a message or not, in words, and what to do. @param isBrief leaves that out of what arrived */
export function Reason({ reason, isBrief = false }: { reason: string; isBrief?: boolean }): JSX.Element {
  const known = Object.hasOwn(deliveryReasons, reason) ? (reason as DeliveryReason) : undefined;
  return (
    <div class="reason">
      <span class={`tag ${toneOf(reason)}`}>{reason}</span>{' '}
      {known === undefined ? null : (
        <>
          <Marked text={toSentence(deliveryReasons[known])} />{' '}
          {isBrief && toneOf(reason) === 'good' ? null : (
            <span class="quiet">
              What to do: <Marked text={`${deliveryRemedies[known]}.`} />
            </span>
          )}
        </>
      )}
    </div>
  );
}
