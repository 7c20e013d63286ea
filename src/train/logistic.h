/*
 * Logistic regression on standardised inputs, the model kind "linear".
 *
 * Minimises  sum of w_i log(1 + exp(-y_i m_i)) + |weights|^2 / (2 C),  the intercept unpenalised: what
 * scikit-learn's LogisticRegression minimises after its StandardScaler. Means and standard deviations
 * (population) are of the training rows' present values; a missing value counts as the mean.
 *
 * L-BFGS (Nocedal and Wright, Numerical Optimization, 2nd ed., Algorithms 7.4 and 7.5) with a weak Wolfe
 * line search by bisection. Deterministic on one machine: BLAS runs in one thread, rows are summed in their
 * order.
 *
 * Parameters: C (1), max_iter (1000), tol (1e-8: on the largest part of the gradient, per row).
 */
#ifndef SHRIKE_TRAIN_LOGISTIC_H
#define SHRIKE_TRAIN_LOGISTIC_H

#include "train/trainer.h"

/* valid may be NULL; it is not looked at. */
int logistic_train(const struct examples *train, const struct examples *valid,
                   const struct trainer_options *options, struct trained *ret, struct error *error);

#endif
