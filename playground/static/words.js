// The page's words for what the gate tells by name. A test holds them to the gate's own lists.

export const REASON = {
  "out_of_service": "Lane closed",
  "unreadable": "Cannot be read",
  "forged": "Forged ticket",
  "wrong_event": "For another event",
  "revoked": "Withdrawn code",
  "stale_code": "Old picture of the code",
  "replayed": "This picture was used before",
  "clock_untrusted": "The gate does not know the time",
  "list_too_old": "The ticket list is too old",
  "unknown": "Not on the list",
  "ambiguous": "Several tickets fit",
  "cancelled": "Cancelled ticket",
  "blocked": "Blocked ticket",
  "unapproved": "Order not approved",
  "too_early": "Too early",
  "too_late": "No longer valid",
  "wrong_list": "Wrong entrance",
  "wrong_gate": "Wrong gate",
  "unpaid": "Not paid",
  "rules": "Against the organiser’s rules",
  "needs_answers": "A question is open",
  "needs_medium": "To be exchanged first",
  "already_exchanged": "Exchanged for a card or band",
  "already_redeemed": "Already used",
  "already_inside": "Already inside",
  "taken_elsewhere": "Just used at another gate",
  "full": "The area is full",
};

export const RECORD = {
  "scan": "Ticket read",
  "passage": "Went through",
  "no_passage": "Nobody went through: the ticket works again",
  "aborted": "Broken off: the ticket works again",
  "interrupted": "Interrupted by the power cut",
  "resumed": "Let in again after the power cut",
  "forced": "Someone forced the arm",
  "mode": "Lane mode changed",
  "operator": "A supervisor acted",
  "fault": "Something broke",
  "clock": "The clock changed",
  "evacuation": "Evacuation",
  "folded": "Many unreadable codes, counted",
};

/** One journal row in plain words. */
export function record(row) {
  if (row.kind !== "scan") return RECORD[row.kind] || row.kind;
  if (row.verdict === "admitted") return row.direction === "exit" ? "Let out" : "Admitted";
  return `Refused: ${(REASON[row.reason] || row.reason || "").toLowerCase()}`;
}
