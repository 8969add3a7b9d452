"""What decisions cost and save, in units of currency.

    stopped    the amounts of fraud that raised an alert: an alerted purchase is declined
    missed     the amounts of fraud that raised none, and are lost with a chargeback fee each
    declined   the amounts of honest purchases that raised an alert; a part of them is lost for good
    balance    stopped and the fees that this saves, less what declining and reviewing costs;
               0 for somebody who decides nothing

Only what has a label counts as fraud or honest; every alert is reviewed.

Not here: the prices (settings), the alerts (`decisions`).
"""

from __future__ import annotations

from msgspec import Struct

from sentinel_cli.backtesting.decisions import Decisions
from sentinel_cli.backtesting.transactions import Transactions
from sentinel_cli.config import CostSettings


class Money(Struct, frozen=True):
    fraud: float
    stopped: float
    missed: float
    declined: float
    declined_cost: float
    review_cost: float
    chargebacks_saved: float
    balance: float


def of(transactions: Transactions, decisions: Decisions, costs: CostSettings) -> Money:
    amount, label, alert = transactions.rows["amount"], transactions.truth.label, decisions.alert
    fraud = decisions.scored & (label == 1)
    honest = decisions.scored & (label == 0)
    stopped, declined = float(amount[fraud & alert].sum()), float(amount[honest & alert].sum())
    total = float(amount[fraud].sum())
    fees = costs.chargeback * int((fraud & alert).sum())
    reviews = costs.review * int(alert.sum())
    return Money(
        fraud=round(total, 2),
        stopped=round(stopped, 2),
        missed=round(total - stopped, 2),
        declined=round(declined, 2),
        declined_cost=round(costs.declined * declined, 2),
        review_cost=round(reviews, 2),
        chargebacks_saved=round(fees, 2),
        balance=round(stopped + fees - costs.declined * declined - reviews, 2),
    )
