"""The bike store's data: what its nine files hold, a check of them, a generator of them, and a day of business."""
