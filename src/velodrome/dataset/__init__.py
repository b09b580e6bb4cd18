"""The bike store's data: what its nine files hold, a check of them, a generator of such files, and a day of business."""
